// Verifies a C2SP tlog-tiles log on disk with golang.org/x/mod: the checkpoint's signature, the
// root computed anew from every entry, every tile that the root needs, and inclusion proofs.
//
//	verifylog FOLDER KEYFILE            check everything
//	verifylog -leaf N FOLDER KEYFILE    write entry N to standard output
//	verifylog -proof PROOF ENTRY KEYFILE    check a C2SP tlog-proof of one entry
package main

import (
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

func main() {
	leaf := flag.Int64("leaf", -1, "write this entry instead of checking")
	proof := flag.String("proof", "", "check this proof of an entry")
	flag.Parse()
	if *proof != "" && flag.NArg() == 2 {
		checkProof(*proof, flag.Arg(0), flag.Arg(1))
		return
	}
	if flag.NArg() != 2 {
		fail("usage: verifylog [-leaf N] FOLDER KEYFILE")
	}
	log := open(flag.Arg(0), flag.Arg(1))
	if *leaf >= 0 {
		os.Stdout.Write(log.bundle(*leaf / width)[*leaf%width])
		return
	}
	fmt.Printf("ok sumdb/note signature of %s over %d entries\n", log.origin, log.tree.N)
	log.checkRoot()
	log.checkProofs()
}

type log struct {
	folder string
	origin string
	tree   tlog.Tree
}

// The log whose checkpoint in folder is signed by the key in keyFile (a signed-note vkey).
func open(folder, keyFile string) log {
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	must(err, "read the checkpoint")
	origin, tree := head(text, keyFile)
	return log{folder: folder, origin: origin, tree: tree}
}

// A C2SP tlog-proof of the entry in a file.
func checkProof(proofFile, entryFile, keyFile string) {
	text, err := os.ReadFile(proofFile)
	must(err, "read the proof")
	parts := strings.SplitN(string(text), "\n\n", 2)
	if len(parts) != 2 {
		fail("the proof has no checkpoint")
	}
	origin, tree := head([]byte(parts[1]), keyFile)
	var index int64 = -1
	var hashes tlog.RecordProof
	for number, line := range strings.Split(parts[0], "\n") {
		switch {
		case number == 0 && line != "c2sp.org/tlog-proof@v1":
			fail("this is no tlog-proof")
		case number == 0 || strings.HasPrefix(line, "extra "):
		case strings.HasPrefix(line, "index "):
			index, err = strconv.ParseInt(strings.TrimPrefix(line, "index "), 10, 64)
			must(err, "read the index")
		default:
			hash, err := tlog.ParseHash(line)
			must(err, "read a hash of the proof")
			hashes = append(hashes, hash)
		}
	}
	entry, err := os.ReadFile(entryFile)
	must(err, "read the entry")
	must(tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(entry)), "check the proof")
	fmt.Printf("ok sumdb/tlog proof of %d in %d of %s\n", index, tree.N, origin)
}

// Origin and tree of a checkpoint that the key signed.
func head(text []byte, keyFile string) (string, tlog.Tree) {
	key, err := os.ReadFile(keyFile)
	must(err, "read the key")
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	must(err, "use the key")
	opened, err := note.Open(text, note.VerifierList(verifier))
	must(err, "verify the checkpoint's signature")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		fail("the checkpoint's origin is not the key's name")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "read the size")
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err, "read the root")
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize {
		fail("the root is not 32 bytes")
	}
	return lines[0], tree
}

// The path of a tile or bundle: three digits at a time, x before all but the last.
func (l log) path(kind string, number int64, partial int) string {
	name := fmt.Sprintf("%03d", number%1000)
	for number >= 1000 {
		number /= 1000
		name = fmt.Sprintf("x%03d/%s", number%1000, name)
	}
	if partial < width {
		name += fmt.Sprintf(".p/%d", partial)
	}
	return filepath.Join(l.folder, "tile", kind, name)
}

// The entries of one bundle, each after its length in two bytes.
func (l log) bundle(number int64) [][]byte {
	count := l.tree.N - number*width
	if count <= 0 {
		fail(fmt.Sprintf("there is no bundle %d", number))
	}
	if count > width {
		count = width
	}
	data, err := os.ReadFile(l.path("entries", number, int(count)))
	if err != nil && count < width {
		// A full bundle may have replaced the partial one.
		data, err = os.ReadFile(l.path("entries", number, width))
	}
	must(err, "read an entry bundle")
	var entries [][]byte
	for len(data) >= 2 && int64(len(entries)) < count {
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			fail("an entry bundle is cut short")
		}
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	if int64(len(entries)) != count {
		fail(fmt.Sprintf("bundle %d has %d entries, not %d", number, len(entries), count))
	}
	return entries
}

// Hashes every entry and compares the root that comes out with the signed one.
func (l log) checkRoot() {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for place, index := range indexes {
			found[place] = stored[index]
		}
		return found, nil
	})
	var number int64
	for start := int64(0); start < l.tree.N; start += width {
		for _, entry := range l.bundle(start / width) {
			hashes, err := tlog.StoredHashes(number, entry, reader)
			must(err, "hash an entry")
			stored = append(stored, hashes...)
			number++
		}
	}
	root, err := tlog.TreeHash(l.tree.N, reader)
	must(err, "compute the root")
	if root != l.tree.Hash {
		fail("the entries do not give the signed root")
	}
	fmt.Printf("ok sumdb/tlog root from %d entries\n", l.tree.N)
}

// Proves up to 64 entries spread over the log from the tiles alone.
func (l log) checkProofs() {
	reader := tlog.TileHashReader(l.tree, tiles{l})
	step := l.tree.N/63 + 1
	checked := 0
	for index := int64(0); index < l.tree.N; index += step {
		proof, err := tlog.ProveRecord(l.tree.N, index, reader)
		must(err, "prove an entry from the tiles")
		hash := tlog.RecordHash(l.bundle(index / width)[index%width])
		must(tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, index, hash), "check a proof")
		checked++
	}
	fmt.Printf("ok sumdb/tlog inclusion of %d entries by tiles\n", checked)
}

type tiles struct{ log }

func (tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(t.path(strconv.Itoa(tile.L), tile.N, tile.W))
		if err != nil && tile.W < width {
			// A full tile may have replaced the partial one.
			data, err = os.ReadFile(t.path(strconv.Itoa(tile.L), tile.N, width))
			if err == nil {
				data = data[:tile.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error, doing string) {
	if err != nil {
		fail(fmt.Sprintf("cannot %s: %v", doing, err))
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "failed log: "+why)
	os.Exit(1)
}
