// Checks what `mm journal prove --seq` wrote: go run verify.go p.txt [VKEY]. Exit code 0: it holds; else it does not.
// VKEY is the signer's key as it was published; without it the key is the proof's own word. Formats: docs/proof.md.
package main

import ("bytes"; "crypto/ed25519"; "crypto/sha256"; "encoding/base64"; "encoding/binary"; "encoding/hex"
	"encoding/json"; "fmt"; "os"; "regexp"; "strconv"; "strings")

var shape = regexp.MustCompile(`\Ac2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9]\d{0,17})\n((?:\S+\n)*)\n(([^\n]+)\n([1-9]\d{0,17})\n(\S+)\n)\n((?:— [^ \n]+ \S+\n)+)\z`)

func need(good bool, what string) { if !good { fmt.Fprintln(os.Stderr, "not ok   ", what); os.Exit(2) } }

func decoded(text string) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	need(err == nil && text != "" && !strings.ContainsAny(text, "\r\n"), "what should be base64 is not")
	return data
}

func hash(parts ...[]byte) []byte { sum := sha256.Sum256(bytes.Join(parts, nil)); return sum[:] }

func main() {
	text, err := os.ReadFile(append(os.Args, "")[1])
	part := shape.FindStringSubmatch(string(text))
	need(err == nil && part != nil, "no file, or no tlog-proof with extra data")
	var told struct{ Rows, Vkey string }
	need(json.Unmarshal(decoded(part[1]), &told) == nil, "extra data of another kind")
	if len(os.Args) > 2 { told.Vkey = os.Args[2] }
	vkey, rows, root := append(strings.SplitN(told.Vkey, "+", 3), "", "")[:3], decoded(told.Rows), decoded(part[7])
	key, isSigned := decoded(vkey[2]), false
	id := hash([]byte(vkey[0]+"\n"), key)[:4]
	need(len(key) == 33 && key[0] == 1 && hex.EncodeToString(id) == vkey[1], "the key is no Ed25519 verifier key")
	for _, line := range strings.Split(strings.TrimSuffix(part[8], "\n"), "\n") {
		word := strings.Split(line, " ")
		if data := decoded(word[2]); word[1] == vkey[0] && len(data) > 4 && bytes.Equal(data[:4], id) {
			need(ed25519.Verify(key[1:], []byte(part[4]), data[4:]), "the signature is another's"); isSigned = true }
	}
	index, _ := strconv.ParseUint(part[2], 10, 64); size, _ := strconv.ParseUint(part[6], 10, 64)
	need(isSigned && index < size, "not signed by "+vkey[0]+" ("+vkey[1]+"), or no such index")
	found, at, last := hash([]byte{0}, rows), index, size-1
	for _, sibling := range strings.Fields(part[3]) {
		need(last > 0 && len(decoded(sibling)) == 32, "the path is too long")
		isRight := at&1 == 1 || at == last
		if isRight { found = hash([]byte{1}, decoded(sibling), found) } else { found = hash([]byte{1}, found, decoded(sibling)) }
		for isRight && at&1 == 0 && at > 0 { at, last = at>>1, last>>1 }
		at, last = at>>1, last>>1
	}
	need(last == 0 && bytes.Equal(found, root), "the event and its path do not lead to the root")
	for n := 0; n < len(rows); n += 64 { need(len(rows)%64 == 0 && binary.LittleEndian.Uint64(rows[n:]) == index && (rows[n+58]&1 == 1) == (n+64 == len(rows)), "the leaf is no event") }
	fmt.Printf("ok        event %d of %d in %s, signed by %s\nrows      %x\n", index, size, part[5], told.Vkey, rows)
	if len(os.Args) < 3 { fmt.Println("note      the key is the proof's own word: give the one that the signer published") }
}
