// Verify checks an exported log with golang.org/x/mod alone: the packages that verify Go's own checksum database.  Nothing of fealty is in
// it, so that an error in our tree, tiles or notes does not agree with itself.
//
//	verify -key VKEY [-old DIR [-old-key VKEY]] DIR
//
// Exit code 0: all holds; 1: something does not, and a sentence says what; 2: wrong usage.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
	levels = 8
)

// pathOf is the tile's path by C2SP tlog-tiles, which leaves out the height and calls the records entries.
func pathOf(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), "tile/8/")
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

func parsePath(path string) (tlog.Tile, error) {
	rest := strings.TrimPrefix(path, "tile/")
	if strings.HasPrefix(rest, "entries/") {
		rest = "data/" + strings.TrimPrefix(rest, "entries/")
	}
	t, err := tlog.ParseTilePath("tile/8/" + rest)
	if err == nil && pathOf(t) != path {
		err = errors.New("another path names this tile")
	}
	return t, err
}

// ---- the checkpoint ----

// readCheckpoint opens the note strictly: a signature has one text, so no bit of the file may differ.
func readCheckpoint(dir string, key note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(data, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s/checkpoint: %w", dir, err)
	}
	for _, s := range append(n.Sigs, n.UnverifiedSigs...) {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return tlog.Tree{}, fmt.Errorf("%s/checkpoint: signature of %s: %w", dir, s.Name, err)
		}
	}
	tree, err := parseTree(n.Text, key.Name())
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s/checkpoint: %w", dir, err)
	}
	return tree, nil
}

func parseTree(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("no checkpoint of %s", origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("bad size %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("bad root %q", lines[2])
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// ---- the log, built again from its entries ----

type log struct {
	dir    string
	tree   tlog.Tree
	hashes []tlog.Hash // by tlog.StoredHashIndex
	leaves int64
}

func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(l.hashes)) {
			return nil, fmt.Errorf("no hash %d", x)
		}
		list[i] = l.hashes[x]
	}
	return list, nil
}

func (l *log) read(t tlog.Tile) ([]byte, error) {
	return os.ReadFile(filepath.Join(l.dir, filepath.FromSlash(pathOf(t))))
}

// required lists the tiles of a level (-1: the bundles) that a log of this size has.
func (l *log) required(level int) []tlog.Tile {
	n := l.tree.N
	if level > 0 {
		n >>= uint(level * height)
	}
	var tiles []tlog.Tile
	for i := int64(0); i < n/width; i++ {
		tiles = append(tiles, tlog.Tile{H: height, L: level, N: i, W: width})
	}
	if n%width != 0 {
		tiles = append(tiles, tlog.Tile{H: height, L: level, N: n / width, W: int(n % width)})
	}
	return tiles
}

func splitBundle(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("it ends within an entry")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	return entries, nil
}

func (l *log) rebuild() error {
	for _, t := range l.required(-1) {
		data, err := l.read(t)
		if err != nil {
			return err
		}
		entries, err := splitBundle(data)
		if err == nil && len(entries) != t.W {
			err = fmt.Errorf("%d entries instead of %d", len(entries), t.W)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", pathOf(t), err)
		}
		for _, entry := range entries {
			hashes, err := tlog.StoredHashes(l.leaves, entry, l)
			if err != nil {
				return err
			}
			l.hashes = append(l.hashes, hashes...)
			l.leaves++
		}
	}
	root, err := tlog.TreeHash(l.tree.N, l)
	if err == nil && root != l.tree.Hash {
		err = fmt.Errorf("the %d entries have the root %v, and the checkpoint has %v", l.tree.N, root, l.tree.Hash)
	}
	return err
}

// ---- every file ----

// inside says whether all that a tile holds is in the log of the checkpoint.
func (l *log) inside(t tlog.Tile) bool {
	level := t.L
	if level < 0 {
		level = 0
	}
	return level < levels && t.N <= l.tree.N>>height && t.N*width+int64(t.W) <= l.tree.N>>uint(level*height)
}

func (l *log) checkBundle(t tlog.Tile, data []byte) error {
	entries, err := splitBundle(data)
	if err == nil && len(entries) != t.W {
		err = fmt.Errorf("%d entries instead of %d", len(entries), t.W)
	}
	if err != nil {
		return err
	}
	for i, entry := range entries {
		n := t.N*width + int64(i)
		if tlog.RecordHash(entry) != l.hashes[tlog.StoredHashIndex(0, n)] {
			return fmt.Errorf("entry %d is not the one in the log", n)
		}
	}
	return nil
}

func (l *log) checkFile(t tlog.Tile) error {
	data, err := l.read(t)
	if err != nil {
		return err
	}
	if t.L < 0 {
		err = l.checkBundle(t, data)
	} else {
		var want []byte
		want, err = tlog.ReadTileData(t, l)
		if err == nil && string(want) != string(data) {
			err = errors.New("its hashes are not those of the entries")
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", pathOf(t), err)
	}
	return nil
}

// checkFiles looks at each file under tile/, and that none is missing; a log that grows has some beyond its checkpoint already.
func (l *log) checkFiles() (checked, beyond int, err error) {
	missing := make(map[tlog.Tile]bool)
	for level := -1; level < levels; level++ {
		for _, t := range l.required(level) {
			missing[t] = true
		}
	}
	err = filepath.WalkDir(filepath.Join(l.dir, "tile"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		path, err = filepath.Rel(l.dir, path)
		if err != nil {
			return err
		}
		t, err := parsePath(filepath.ToSlash(path))
		if err != nil {
			return fmt.Errorf("%s is no part of a log: %w", path, err)
		}
		if !l.inside(t) {
			beyond++
			return nil
		}
		delete(missing, t)
		checked++
		return l.checkFile(t)
	})
	for level := -1; level < levels && err == nil; level++ {
		for _, t := range l.required(level) {
			if missing[t] {
				return checked, beyond, fmt.Errorf("%s is missing", pathOf(t))
			}
		}
	}
	return checked, beyond, err
}

// ---- what a client that has only the tiles sees ----

func (l *log) Height() int { return height }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if data[i], err = l.read(t); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (l *log) SaveTiles([]tlog.Tile, [][]byte) {}

// checkClient proves the first, middle and last entry from the tiles, as a client would that trusts none of them.
func (l *log) checkClient() error {
	reader := tlog.TileHashReader(l.tree, l)
	for _, n := range []int64{0, l.tree.N / 2, l.tree.N - 1} {
		proof, err := tlog.ProveRecord(l.tree.N, n, reader)
		if err == nil {
			err = tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, n, l.hashes[tlog.StoredHashIndex(0, n)])
		}
		if err != nil {
			return fmt.Errorf("entry %d cannot be proved from the tiles: %w", n, err)
		}
	}
	return nil
}

func (l *log) checkOld(old tlog.Tree) error {
	if old.N > l.tree.N {
		return fmt.Errorf("the old checkpoint has %d entries, and this one only %d", old.N, l.tree.N)
	}
	proof, err := tlog.ProveTree(l.tree.N, old.N, tlog.TileHashReader(l.tree, l))
	if err == nil {
		err = tlog.CheckTree(proof, l.tree.N, l.tree.Hash, old.N, old.Hash)
	}
	if err != nil {
		return fmt.Errorf("the log of %d entries is not the beginning of that of %d: %w", old.N, l.tree.N, err)
	}
	return nil
}

func verify(dir, oldDir string, key, oldKey note.Verifier) (string, error) {
	tree, err := readCheckpoint(dir, key)
	if err != nil {
		return "", err
	}
	l := &log{dir: dir, tree: tree}
	if err := l.rebuild(); err != nil {
		return "", err
	}
	checked, beyond, err := l.checkFiles()
	if err == nil {
		err = l.checkClient()
	}
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%s holds: %d entries with the root %v, %d tiles and bundles", key.Name(), tree.N, tree.Hash, checked)
	if beyond > 0 {
		said += fmt.Sprintf("; %d files beyond the checkpoint were not looked at", beyond)
	}
	if oldDir == "" {
		return said + ".", nil
	}
	old, err := readCheckpoint(oldDir, oldKey)
	if err == nil {
		err = l.checkOld(old)
	}
	return said + fmt.Sprintf("; the log of %d entries is its beginning.", old.N), err
}

func main() {
	vkey := flag.String("key", "", "the log's verifier `key`, which \"fealty log key\" prints")
	old := flag.String("old", "", "an older export of the same log: a `directory`")
	oldVkey := flag.String("old-key", "", "the verifier `key` of the older export, when the log's key was replaced since")
	flag.Parse()
	if flag.NArg() != 1 || *vkey == "" {
		fmt.Fprintln(os.Stderr, "Usage: verify -key VKEY [-old DIR [-old-key VKEY]] DIR")
		os.Exit(2)
	}
	key, err := note.NewVerifier(*vkey)
	if err != nil {
		fmt.Fprintf(os.Stderr, "verify: -key: %v\n", err)
		os.Exit(2)
	}
	oldKey := key
	if *oldVkey != "" {
		oldKey, err = note.NewVerifier(*oldVkey)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "verify: -old-key: %v\n", err)
		os.Exit(2)
	}
	said, err := verify(flag.Arg(0), *old, key, oldKey)
	if err != nil {
		fmt.Fprintf(os.Stderr, "verify: it does not hold: %v\n", err)
		os.Exit(1)
	}
	fmt.Println(said)
}
