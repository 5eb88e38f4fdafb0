//! Small Parquet files: every compression and every encoding that a column of strings can have.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const TEXTS: [Option<&str>; 5] = [Some("to be"), None, Some("to be"), Some(""), Some("or not to be")];

pub fn write(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
    ];
    let encodings = [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY];
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in compressions {
            let with = |properties: parquet::file::properties::WriterPropertiesBuilder| {
                properties.set_writer_version(version).set_compression(compression)
            };
            let name = format!("{compression:?}-{version:?}").replace(|letter: char| !letter.is_alphanumeric(), "-");
            write_file(&folder.join(&name), with(WriterProperties::builder()).build());
            for encoding in encodings {
                let properties = WriterProperties::builder().set_dictionary_enabled(false).set_encoding(encoding);
                write_file(&folder.join(format!("{name}-{encoding}")), with(properties).build());
            }
        }
    }
}

fn write_file(path: &Path, properties: WriterProperties) {
    let schema = Arc::new(parse_message_type("message rows { optional binary text (UTF8); }").unwrap());
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    for texts in TEXTS.chunks(3) {
        let mut group = file.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let values: Vec<ByteArray> = texts.iter().flatten().map(|text| ByteArray::from(*text)).collect();
        let levels: Vec<i16> = texts.iter().map(|text| text.is_some().into()).collect();
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    file.close().unwrap();
}
