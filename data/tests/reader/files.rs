//! Files made for a test, and what a corpus gives for them.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::write::GzEncoder;
use hearth_data::{Corpus, DataError, FileFaults, OnFault, Piece, ReadOptions};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A Parquet file of two columns, `text` and `other`, in row groups of two rows.
    pub fn write_parquet(&self, name: &str, texts: &[Option<&[u8]>], compression: Compression) -> PathBuf {
        let path = self.0.path().join(name);
        let schema = "message rows { required int64 other; optional binary text (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut file = SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::new(properties)).unwrap();
        for texts in texts.chunks(2) {
            let mut group = file.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let others: Vec<i64> = (0..texts.len() as i64).collect();
            column.typed::<parquet::data_type::Int64Type>().write_batch(&others, None, None).unwrap();
            column.close().unwrap();

            let mut column = group.next_column().unwrap().unwrap();
            let values: Vec<ByteArray> = texts.iter().flatten().map(|text| text.to_vec().into()).collect();
            let levels: Vec<i16> = texts.iter().map(|text| text.is_some().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        file.close().unwrap();
        path
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn skipping() -> ReadOptions {
    ReadOptions { faults: OnFault::Skip, ..ReadOptions::default() }
}

pub fn separated() -> ReadOptions {
    ReadOptions { separator: Some("<|endoftext|>".to_owned()), ..ReadOptions::default() }
}

/// All pieces, and what was left out.
pub fn read(paths: &[PathBuf], options: ReadOptions) -> Result<(Vec<Piece>, FileFaults), DataError> {
    let corpus = Corpus::open(paths, options)?;
    let mut documents = corpus.documents();
    let pieces = documents.by_ref().collect::<Result<_, _>>()?;
    Ok((pieces, documents.faults().clone()))
}

pub fn texts(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}
