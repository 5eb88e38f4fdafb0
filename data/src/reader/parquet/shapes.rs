//! What fields a Parquet file's structures have, as `parquet.thrift` of the format says.

/// The form of a field's value.
pub(super) enum Shape {
    Flag,
    Byte,
    /// Of 16, 32 or 64 bits, which are written alike.
    Number,
    Double,
    Bytes,
    List(&'static Shape),
    Structure(Fields),
}

/// Fields with their ids.
pub(super) type Fields = &'static [(i64, Shape)];

use Shape::{Byte, Bytes, Double, Flag, List, Number, Structure};

const EMPTY: Shape = Structure(&[]);

pub(super) const PAGE_HEADER: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Number),
    (5, Structure(&[(1, Number), (2, Number), (3, Number), (4, Number), (5, STATISTICS)])),
    (6, EMPTY),
    (7, Structure(&[(1, Number), (2, Number), (3, Flag)])),
    (
        8,
        Structure(&[
            (1, Number),
            (2, Number),
            (3, Number),
            (4, Number),
            (5, Number),
            (6, Number),
            (7, Flag),
            (8, STATISTICS),
        ]),
    ),
];

pub(super) const FOOTER: Fields = &[
    (1, Number),
    (2, List(&SCHEMA_ELEMENT)),
    (3, Number),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, Bytes),
    (7, List(&Structure(&[(1, EMPTY), (2, EMPTY)]))),
    (8, EMPTY),
    (9, Bytes),
];

const SCHEMA_ELEMENT: Shape = Structure(&[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Bytes),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, LOGICAL_TYPE),
]);

const LOGICAL_TYPE: Shape = Structure(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Structure(&[(1, Number), (2, Number)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Structure(&[(1, Byte), (2, Flag)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Structure(&[(1, Byte)])),
    (17, Structure(&[(1, Bytes)])),
    (18, Structure(&[(1, Bytes), (2, Number)])),
]);

const TIME: Shape = Structure(&[(1, Flag), (2, Structure(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))]);

const KEY_VALUE: Shape = Structure(&[(1, Bytes), (2, Bytes)]);

const ROW_GROUP: Shape = Structure(&[
    (1, List(&COLUMN)),
    (2, Number),
    (3, Number),
    (4, List(&Structure(&[(1, Number), (2, Flag), (3, Flag)]))),
    (5, Number),
    (6, Number),
    (7, Number),
]);

const COLUMN: Shape = Structure(&[
    (1, Bytes),
    (2, Number),
    (3, COLUMN_METADATA),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, EMPTY),
    (9, Bytes),
]);

const COLUMN_METADATA: Shape = Structure(&[
    (1, Number),
    (2, List(&Number)),
    (3, List(&Bytes)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, List(&KEY_VALUE)),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, STATISTICS),
    (13, List(&Structure(&[(1, Number), (2, Number), (3, Number)]))),
    (14, Number),
    (15, Number),
    (16, Structure(&[(1, Number), (2, List(&Number)), (3, List(&Number))])),
    (17, Structure(&[(1, BOX), (2, List(&Number))])),
]);

const STATISTICS: Shape =
    Structure(&[(1, Bytes), (2, Bytes), (3, Number), (4, Number), (5, Bytes), (6, Bytes), (7, Flag), (8, Flag)]);

const BOX: Shape = Structure(&[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
]);
