"""Small tables as Apache Parquet, written by hand: one row group, plain encoding, no compression.

The node's web process loads no engine, and an answer of at most some 10^5 rows needs none: this is the whole of
the format that such a table takes. Source: the Apache Parquet format 2.10 (parquet.thrift, Encodings.md) and
Thrift's compact protocol. Every column may hold nothing, so each has one bit of definition level a row.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

_MAGIC = b"PAR1"
_MAKER = "gridhouse"
# Thrift's compact types.
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
# Parquet's own numbers.
_OPTIONAL, _UTF8, _PLAIN, _RLE, _UNCOMPRESSED, _DATA_PAGE = 1, 0, 0, 3, 0, 0


class Physical(IntEnum):
    """How a column's values are stored."""

    BOOLEAN = 0
    INT64 = 2
    DOUBLE = 5
    TEXT = 6  # BYTE_ARRAY, read as UTF-8


@dataclass(frozen=True)
class Series:
    """One column: its name, its storage, and a value or None for each row."""

    name: str
    physical: Physical
    values: Sequence[bool | int | float | str | None]


Field = tuple[int, int, bytes]  # a Thrift field: its number, its type, its encoded value


def write(columns: Sequence[Series], metadata: dict[str, str]) -> bytes:
    """Return the table as a Parquet file; `metadata` stands in its footer. All columns are equally long."""
    rows = len(columns[0].values) if columns else 0
    body, chunks, whole = bytearray(_MAGIC), [], 0
    for column in columns:
        page = _page(column)
        chunks.append(_chunk(column, rows, len(body), len(page)))
        body += page
        whole += len(page)
    group = _struct([(1, _LIST, _list(_STRUCT, chunks)), (2, _I64, _int(whole)), (3, _I64, _int(rows))])
    footer = _struct(
        [
            (1, _I32, _int(1)),
            (2, _LIST, _list(_STRUCT, [_root(len(columns)), *(_element(column) for column in columns)])),
            (3, _I64, _int(rows)),
            (4, _LIST, _list(_STRUCT, [group])),
            (5, _LIST, _list(_STRUCT, [_pair(key, value) for key, value in metadata.items()])),
            (6, _BINARY, _text(_MAKER)),
        ]
    )
    return bytes(body) + footer + struct.pack("<I", len(footer)) + _MAGIC


def _page(column: Series) -> bytes:
    """Return one data page with its header: which rows hold something, then those values."""
    known = [value for value in column.values if value is not None]
    levels = _bits(value is not None for value in column.values)
    run = _varint(len(levels) << 1 | 1) + levels  # one bit-packed run of eight values a byte
    data = struct.pack("<I", len(run)) + run + _values(column.physical, known)
    inner = [(1, _I32, _int(len(column.values))), (2, _I32, _int(_PLAIN)), (3, _I32, _int(_RLE))]
    header = _struct(
        [
            (1, _I32, _int(_DATA_PAGE)),
            (2, _I32, _int(len(data))),
            (3, _I32, _int(len(data))),
            (5, _STRUCT, _struct([*inner, (4, _I32, _int(_RLE))])),
        ]
    )
    return header + data


def _values(physical: Physical, known: Sequence[bool | int | float | str]) -> bytes:
    """Return values in plain encoding."""
    if physical is Physical.BOOLEAN:
        return _bits(bool(value) for value in known)
    if physical is Physical.TEXT:
        texts = [str(value).encode() for value in known]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(known)}{'q' if physical is Physical.INT64 else 'd'}", *known)


def _bits(flags: Iterable[bool]) -> bytes:
    """Return flags as bits, the first one lowest, filled up to whole bytes."""
    packed, at = bytearray(), 0
    for at, flag in enumerate(flags):
        if at % 8 == 0:
            packed.append(0)
        packed[-1] |= flag << (at % 8)
    return bytes(packed)


def _chunk(column: Series, rows: int, offset: int, size: int) -> bytes:
    """Return the description of a column's one chunk."""
    described = _struct(
        [
            (1, _I32, _int(column.physical)),
            (2, _LIST, _list(_I32, [_int(_PLAIN), _int(_RLE)])),
            (3, _LIST, _list(_BINARY, [_text(column.name)])),
            (4, _I32, _int(_UNCOMPRESSED)),
            (5, _I64, _int(rows)),
            (6, _I64, _int(size)),
            (7, _I64, _int(size)),
            (9, _I64, _int(offset)),
        ]
    )
    return _struct([(2, _I64, _int(offset)), (3, _STRUCT, described)])


def _root(columns: int) -> bytes:
    return _struct([(4, _BINARY, _text("schema")), (5, _I32, _int(columns))])


def _element(column: Series) -> bytes:
    """Return a column's line of the schema."""
    fields = [(1, _I32, _int(column.physical)), (3, _I32, _int(_OPTIONAL)), (4, _BINARY, _text(column.name))]
    return _struct(fields + ([(6, _I32, _int(_UTF8))] if column.physical is Physical.TEXT else []))


def _pair(key: str, value: str) -> bytes:
    return _struct([(1, _BINARY, _text(key)), (2, _BINARY, _text(value))])


# --- Thrift's compact protocol ----------------------------------------------------------------------------------


def _struct(fields: Sequence[Field]) -> bytes:
    """Return a struct: each field after the distance to the one before, then a zero."""
    parts, last = bytearray(), 0
    for number, kind, value in fields:
        parts.append((number - last) << 4 | kind)
        parts += value
        last = number
    return bytes(parts) + b"\0"


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
    return head + b"".join(items)


def _text(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data


def _int(value: int) -> bytes:
    """Return a whole number of at most 64 bits as a zigzag varint."""
    return _varint((value << 1) ^ (value >> 63))


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
