// Checks what `mm journal prove --seq` wrote: node verify.js p.txt [VKEY]. Exit code 0: it holds; 2: it does not.
// VKEY is the signer's key as it was published; without it the key is the proof's own word. Formats: docs/proof.md.
"use strict";
const { createHash, createPublicKey, verify } = require("node:crypto");
const sha = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const need = (good, what) => {
  if (good) return;
  console.error(`not ok    ${what}`);
  process.exit(2);
};
const bytes = (text) => {
  const found = Buffer.from(text ?? "", "base64");
  need(text && found.toString("base64") === text, "what should be base64 is not");
  return found;
};
process.on("uncaughtException", (error) => need(false, error.message));
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(require("node:fs").readFileSync(process.argv[2]));
const cut = text.indexOf("\n\n"), note = text.slice(cut + 2), end = note.lastIndexOf("\n\n");
need(cut > 0 && end > 0 && note.endsWith("\n"), "no proof: lines, an empty line, a checkpoint with signatures");
const [header, extra, place, ...lines] = text.slice(0, cut).split("\n");
const body = note.slice(0, end + 1), [origin, count, rootText, ...rest] = body.slice(0, -1).split("\n");
need(header === "c2sp.org/tlog-proof@v1" && extra?.startsWith("extra "), "no tlog-proof with extra data");
need(/^index (0|[1-9]\d{0,17})$/.test(place) && /^[1-9]\d{0,17}$/.test(count) && !rest.length, "no index, or no size");
const told = JSON.parse(bytes(extra.slice(6)).toString()), rows = bytes(told.rows), root = bytes(rootText);
const index = BigInt(place.slice(6)), size = BigInt(count);

const [, name, id, keyText] = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(process.argv[3] ?? told.vkey) ?? [];
const key = bytes(keyText), keyId = sha(Buffer.from(`${name}\n`), key).subarray(0, 4);
need(key.length === 33 && key[0] === 1 && keyId.toString("hex") === id, "the key is no Ed25519 verifier key");
const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.subarray(1)]);
const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
const ours = note.slice(end + 2, -1).split("\n").map((line) => line.split(" "))
  .filter((part) => part.length === 3 && part[0] === "\u2014" && part[1] === name)
  .map((part) => bytes(part[2])).filter((data) => data.subarray(0, 4).equals(keyId));
need(ours.length && ours.every((data) => verify(null, Buffer.from(body), publicKey, data.subarray(4))), `not signed by ${name} (${id})`);

let hash = sha(Buffer.from([0]), rows), at = index, last = size - 1n;
need(index < size, "the index is beyond the size");
for (const sibling of lines.map(bytes)) {
  need(last > 0n && sibling.length === 32, "the path is too long");
  const isRight = (at & 1n) === 1n || at === last;
  hash = isRight ? sha(Buffer.from([1]), sibling, hash) : sha(Buffer.from([1]), hash, sibling);
  while (isRight && !(at & 1n) && at) [at, last] = [at >> 1n, last >> 1n];
  [at, last] = [at >> 1n, last >> 1n];
}
need(last === 0n && hash.equals(root), "the event and its path do not lead to the root");
const row = (start) => rows.readBigInt64LE(start) === index && (rows[start + 58] & 1) === Number(start + 64 === rows.length);
need(rows.length && rows.length % 64 === 0 && [...Array(rows.length / 64).keys()].every((n) => row(64 * n)), "the leaf is no event");
console.log(`ok        event ${index} of ${size} in ${origin}, signed by ${name}+${id}+${keyText}\nrows      ${rows.toString("hex")}`);
if (!process.argv[3]) console.log("note      the key is the proof's own word: give the one that the signer published");
