"""Structures of Apache Thrift in its compact protocol, in which Parquet writes its footer and its page headers.

A structure is fields of a type each, whole numbers as varints.
"""

from typing import Any

_DEEPEST = 16


class ThriftReader:
    """Reads structures from bytes: numbers and truth values as such; None for texts, bytes and floats.

    Parameters
    ----------
    data : what begins with a structure
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of the next structure by their numbers.

        Raises
        ------
        IndexError : the bytes end before it does
        EOFError : the bytes are something else
        """
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._signed()
            # A bool has its value in its type.
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise EOFError("nested too deeply")
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._varint())
        if kind in (9, 10):
            head = self._byte()
            num = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15, depth + 1) for _ in range(num)]
        if kind == 12:
            return self.struct(depth + 1)
        raise EOFError("not a structure of Thrift")

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _skip(self, num_bytes: int) -> None:
        self.place += num_bytes
        if self.place > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise EOFError("not a structure of Thrift")

    def _signed(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
