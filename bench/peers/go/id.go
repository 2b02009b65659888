package main

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"math/bits"
	"strings"
	"sync"
	"time"
)

// id is a UUIDv7: its order is the order of creation.
type id [16]byte

const (
	digits   = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idDigits = 22
)

var idLock sync.Mutex
var idLastMs int64
var idCount uint16

// newID counts within a millisecond, so that ids of one process are in order.
func newID() id {
	var out id
	_, _ = rand.Read(out[6:])
	ms := time.Now().UnixMilli()

	idLock.Lock()
	if ms > idLastMs {
		idLastMs = ms
		idCount = binary.BigEndian.Uint16(out[6:8]) & 0x7FF
	} else if idCount++; idCount > 0xFFF {
		idLastMs++
		idCount = 0
	}
	ms, count := idLastMs, idCount
	idLock.Unlock()

	binary.BigEndian.PutUint16(out[0:2], uint16(ms>>32))
	binary.BigEndian.PutUint32(out[2:6], uint32(ms))
	binary.BigEndian.PutUint16(out[6:8], 0x7000|count)
	out[8] = out[8]&0x3F | 0x80
	return out
}

// time is the millisecond in which the id was made.
func (i id) time() time.Time {
	ms := int64(binary.BigEndian.Uint16(i[0:2]))<<32 | int64(binary.BigEndian.Uint32(i[2:6]))
	return time.UnixMilli(ms).UTC()
}

func (i id) text(prefix string) string {
	var out [idDigits]byte
	high, low := binary.BigEndian.Uint64(i[:8]), binary.BigEndian.Uint64(i[8:])
	const tenDigits = 839299365868340224 // 62^10
	for at := idDigits; at > 0; {
		var part uint64
		quotient := high / tenDigits
		low, part = bits.Div64(high%tenDigits, low, tenDigits)
		high = quotient
		for n := 0; n < 10 && at > 0; n++ {
			at--
			out[at] = digits[part%62]
			part /= 62
		}
	}
	return prefix + string(out[:])
}

func parseID(prefix, text string) (id, bool) {
	var out id
	rest, found := strings.CutPrefix(text, prefix)
	if !found || len(rest) != idDigits {
		return out, false
	}
	n, base := new(big.Int), big.NewInt(62)
	for _, c := range []byte(rest) {
		value := strings.IndexByte(digits, c)
		if value < 0 {
			return out, false
		}
		n.Mul(n, base).Add(n, big.NewInt(int64(value)))
	}
	if n.BitLen() > 128 {
		return out, false
	}
	n.FillBytes(out[:])
	return out, true
}
