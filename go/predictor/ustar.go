package predictor

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	// tarBlock is what headers, and the contents behind them, fill whole numbers of.
	tarBlock = 512
	// maxTarSize is the largest size that eleven octal digits hold.
	maxTarSize    = 1<<33 - 1
	maxTarName    = 100
	maxTarPrefix  = 155
	tarPrefixAt   = 345
	tarChecksumAt = 148
	tarBlanks     = "        "
	// tarMagic is that of POSIX, with the version behind it.
	tarMagic = "ustar\x0000"
)

// tarField is a part of a header, for messages about it.
type tarField struct {
	begin, end int
	name       string
}

var (
	tarSize     = tarField{124, 136, "a size"}
	tarChecksum = tarField{tarChecksumAt, tarChecksumAt + len(tarBlanks), "a checksum"}
	tarMagics   = tarField{257, 265, "a magic"}
	tarFixed    = []tarField{
		{100, 108, "a mode"},
		{108, 124, "an owner"},
		{136, 148, "a time"},
		{157, 257, "a link's target"},
		{265, 329, "an owner's name"},
		{329, 345, "a device"},
	}
)

const tarRegular = '0'

// tarKinds are types that other programs write.
var tarKinds = map[byte]string{
	0:   "a regular file of an older tar",
	'1': "a hard link",
	'2': "a symbolic link",
	'3': "a device",
	'4': "a device",
	'5': "a folder",
	'6': "a pipe",
	'L': "a long name of GNU tar",
	'K': "a long link name of GNU tar",
	'S': "a sparse file of GNU tar",
	'g': "a pax header",
	'x': "a pax header",
}

func (f tarField) of(block []byte) []byte { return block[f.begin:f.end] }

// tarPadding returns how many zero bytes follow a content.
func tarPadding(size int64) int64 { return -size & (tarBlock - 1) }

func isZero(data []byte) bool {
	return len(bytes.TrimLeft(data, "\x00")) == 0
}

// readTarHeader makes the checks H1 to H5 over the bytes of one header; the subject is the entry that should
// stand there. The standard library's reader takes far more than the one spelling that an archive has, so the
// header is made anew and compared.
func readTarHeader(block []byte, subject string) (path string, size int64, err error) {
	malformed := func(expected, found string) error { return refuse("archive_malformed", subject, expected, found) }
	if string(tarChecksum.of(block)) != tarSum(block) {
		return "", 0, malformed("a header whose checksum is right", "another checksum")
	}
	if string(tarMagics.of(block)) != tarMagic {
		return "", 0, malformed("a header of POSIX ustar", "another magic")
	}
	if kind := block[tarChecksum.end]; kind != tarRegular {
		found, known := tarKinds[kind]
		if !known {
			found = fmt.Sprintf("an entry of type %+q", rune(kind))
		}
		return "", 0, malformed("a regular file", found)
	}
	size, spelt := tarOctal(tarSize.of(block))
	if !spelt {
		return "", 0, malformed("a size of eleven octal digits", "another spelling")
	}
	path = tarPath(block)
	right, possible := tarHeader(path, size)
	if !possible {
		return "", 0, malformed("a path as the writer spells it", quoted(path))
	}
	if !bytes.Equal(block, right) {
		found := quoted(path) + " in another spelling"
		for _, field := range tarFixed {
			if !bytes.Equal(field.of(block), field.of(right)) {
				found = field.name + " of another spelling"
				break
			}
		}
		return "", 0, malformed("a header as the writer spells it", found)
	}
	return path, size, nil
}

// tarHeader returns the one spelling of the header of a file; false where the format has no room for it.
func tarHeader(path string, size int64) ([]byte, bool) {
	prefix, name, fits := splitTarPath(path)
	if !fits || size < 0 || size > maxTarSize {
		return nil, false
	}
	block := make([]byte, tarBlock)
	copy(block, name)
	copy(block[maxTarName:], "0000644\x000000000\x000000000\x00")
	copy(tarSize.of(block), fmt.Sprintf("%011o", size))
	copy(block[tarSize.end:], "00000000000")
	block[tarChecksum.end] = tarRegular
	copy(tarMagics.of(block), tarMagic)
	copy(block[tarPrefixAt-2*len("0000000\x00"):], "0000000\x000000000\x00")
	copy(block[tarPrefixAt:], prefix)
	copy(tarChecksum.of(block), tarSum(block))
	return block, true
}

// tarSum returns the checksum field of a header; its own bytes count as blanks.
func tarSum(block []byte) string {
	sum := 0
	for index, each := range block {
		if index < tarChecksum.begin || index >= tarChecksum.end {
			sum += int(each)
		}
	}
	for _, blank := range tarBlanks {
		sum += int(blank)
	}
	return fmt.Sprintf("%06o\x00 ", sum)
}

// tarOctal reads eleven octal digits and a NUL.
func tarOctal(field []byte) (int64, bool) {
	digits, found := bytes.CutSuffix(field, []byte{0})
	size, err := strconv.ParseUint(string(digits), 8, 34)
	// ParseUint takes no sign, blank or underscore in a given base, and here nothing longer than the field.
	return int64(size), found && err == nil && size <= maxTarSize
}

// tarPath returns a header's path for comparison and messages, each byte that is no ASCII as U+FFFD.
func tarPath(block []byte) string {
	name, _, _ := bytes.Cut(block[:maxTarName], []byte{0})
	prefix, _, _ := bytes.Cut(block[tarPrefixAt:tarPrefixAt+maxTarPrefix], []byte{0})
	var path strings.Builder
	for _, part := range [][]byte{prefix, name} {
		if path.Len() > 0 {
			path.WriteByte('/')
		}
		for _, each := range part {
			if each < 0x80 {
				path.WriteByte(each)
			} else {
				path.WriteRune('\uFFFD')
			}
		}
	}
	return path.String()
}

// splitTarPath returns the shortest prefix that leaves a name that fits.
func splitTarPath(path string) (prefix, name string, fits bool) {
	for index := range len(path) {
		if path[index] >= 0x80 {
			return "", "", false
		}
	}
	if len(path) <= maxTarName {
		return "", path, true
	}
	from := len(path) - maxTarName - 1
	slash := strings.IndexByte(path[from:], '/') + from
	if slash < from || slash == 0 || slash > maxTarPrefix || slash == len(path)-1 {
		return "", "", false
	}
	return path[:slash], path[slash+1:], true
}
