"""Raw frames beside the journal, as received: `<receive time, ns> <stream> <frame>` lines; refused ones always."""

from pathlib import Path
from typing import BinaryIO

RAW_NAME = "raw-frames.log"
REFUSED_NAME = "refused-frames.log"


class RawFrames:
    """Keeps frames in files of a directory; refused ones with their reason, even where the others are not kept."""

    def __init__(self, directory: Path, *, keep_all: bool) -> None:
        self.directory = directory
        self.files: dict[str, BinaryIO] = {}
        self.keep_all = keep_all

    def keep(self, stream: str, frame: bytes, ts_receive_ns: int) -> None:
        """Keep one frame if all are kept."""
        if self.keep_all:
            self.write(RAW_NAME, b"%d %s %s\n" % (ts_receive_ns, stream.encode(), line_of(frame)))

    def refuse(self, stream: str, frame: bytes, ts_receive_ns: int, reason: str) -> None:
        """Keep a frame that was not understood."""
        self.write(REFUSED_NAME, b"%d %s %s %s\n" % (ts_receive_ns, stream.encode(), reason.encode(), line_of(frame)))

    def write(self, name: str, line: bytes) -> None:
        """Append a line; the file is made when the first one comes."""
        if name not in self.files:
            self.files[name] = (self.directory / name).open("ab")
        self.files[name].write(line)

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        for file in self.files.values():
            file.flush()

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()
        self.files.clear()


def line_of(frame: bytes) -> bytes:
    """Return a frame on one line: line ends inside of it are escaped, which JSON never needs."""
    return frame.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") if b"\n" in frame else frame
