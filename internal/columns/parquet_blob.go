package columns

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
)

func (l *parquetLeaf) blobText(text, b []byte) ([]byte, error) {
	switch l.means {
	case decimal:
		v, err := bigEndian(b)
		if err != nil {
			return nil, err
		}
		return appendDecimal(text, v, l.scale), nil
	case uuid:
		for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
			if i > 0 {
				text = append(text, '-')
			}
			text = hex.AppendEncode(text, part)
		}
		return text, nil
	}
	return b, nil
}

func (l *parquetLeaf) blobInt(b []byte) (int64, error) {
	if l.means == int96 {
		nanos := int64(binary.LittleEndian.Uint64(b))
		days := int64(int32(binary.LittleEndian.Uint32(b[8:]))) - unixJulian
		return days*dayMillis + inMillis(nanos, 1), nil
	}
	v, err := bigEndian(b)
	if err != nil || !v.IsInt64() {
		return 0, errDecimalWidth
	}
	return v.Int64(), nil
}

func (l *parquetLeaf) blobFloat(b []byte) (float64, error) {
	if l.means == float16 {
		return halfFloat(binary.LittleEndian.Uint16(b)), nil
	}
	v, err := bigEndian(b)
	if err != nil || !v.IsInt64() {
		return 0, errDecimalWidth
	}
	return float64(v.Int64()) / math.Pow10(l.scale), nil
}

// maxDecimalBytes holds the 76 digits that a decimal may have.
const maxDecimalBytes = 40

// bigEndian reads a number in two's complement.
func bigEndian(b []byte) (*big.Int, error) {
	if len(b) == 0 || len(b) > maxDecimalBytes {
		return nil, errDecimalWidth
	}
	v := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v, nil
}

// appendDecimal writes v / 10^scale.
func appendDecimal(text []byte, v *big.Int, scale int) []byte {
	if v.Sign() < 0 {
		text = append(text, '-')
	}
	digits := new(big.Int).Abs(v).Text(10)
	for len(digits) <= scale {
		digits = "0" + digits
	}
	text = append(text, digits[:len(digits)-scale]...)
	if scale > 0 {
		text = append(append(text, '.'), digits[len(digits)-scale:]...)
	}
	return text
}

// halfFloat widens a 16-bit IEEE 754 number.
func halfFloat(h uint16) float64 {
	sign, exponent, fraction := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
