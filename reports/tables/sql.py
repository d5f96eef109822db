"""SQL over the tables of a journal, by DuckDB in memory; must never touch a file or the network, nor change a table."""

import re
from itertools import count

import duckdb
import pyarrow as pa

from mmfold.reports.tables.columns import with_times
from mmfold.reports.tables.journal import TABLES, Tables

TIME_UNIT = "us"  # DuckDB has next to no functions of times in nanoseconds, which the Arrow tables have
NO_EXTENSIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
OWN_ADVICE = re.compile(r"\n\nLINE |\nDid you mean ")  # the query again, names of DuckDB's own tables
SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",  # a name is one of our tables, never a variable of this program
    "SET temp_directory = ''",  # what does not fit in memory is an error, no file
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class QueryError(ValueError):
    """A query that DuckDB does not take, or that does more than read."""

    hint = f"tables: {', '.join(TABLES)}; mm docs python lists their columns"


def query(tables: Tables, text: str) -> pa.Table:
    """Return what one SELECT gives over the tables of a journal; those that it names are made, no others.

    Raises: QueryError, and what the tables raise.
    """
    connection = duckdb.connect(":memory:", config=NO_EXTENSIONS)
    try:
        check_reads(connection, text)
        words = {word.lower() for word in re.findall(r"\w+", text)}
        for name, table_of in TABLES.items():
            if name in words:
                connection.register(name, with_times(table_of(tables), TIME_UNIT))
        for setting in SETTINGS:
            connection.execute(setting)
        return named_apart(connection.sql(text).to_arrow_table())
    except duckdb.Error as error:
        raise QueryError(OWN_ADVICE.split(str(error))[0]) from error
    finally:
        connection.close()


def check_reads(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Check that a text is one statement that reads.

    Raises: QueryError, duckdb.Error for one that is no SQL.
    """
    found = connection.extract_statements(text)
    kinds = [str(one.type).rpartition(".")[2].lower() for one in found]
    if kinds not in (["select"], ["explain"]):
        raise QueryError(f"expected one SELECT, found {', '.join(kinds) or 'nothing'}")


def named_apart(table: pa.Table) -> pa.Table:
    """Return a table whose columns have names of their own: the second `seq` of a join is seq_1."""
    names: list[str] = []
    for name in table.column_names:
        free = (f"{name}_{number}" for number in count(1))
        names.append(name if name not in names else next(one for one in free if one not in table.column_names))
    return table.rename_columns(names)
