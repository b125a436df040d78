//! Parquet shards: `data/<part>-00000.parquet` and so on.
//!
//! What is in a shard is described twice: as Parquet's own schema, and as the `Features` of the
//! `datasets` library in the shard's metadata, from which it knows that a struct of bytes and a path
//! is an image.

use std::sync::Arc;

use docgenie_plugin::{Failure, ImageFormat, Output, PageImage, Part, Parts, Result};
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::{
        parser::parse_message_type,
        types::{ColumnPath, TypePtr},
    },
};
use serde_json::json;

use crate::{Rows, row::Row};

/// All is optional, though nothing is ever missing: the library believes the features only where they
/// agree with the schema in this, too.
const SCHEMA: &str = "
message page {
    optional group image { optional binary bytes; optional binary path (STRING); }
    optional binary id (STRING);
    optional binary document (STRING);
    optional int32 page;
    optional int32 width;
    optional int32 height;
    optional binary language (STRING);
    optional binary document_type (STRING);
    optional group words (LIST) { repeated group list { optional binary element (STRING); } }
    optional group word_boxes (LIST) { repeated group list { optional group element (LIST) {
        repeated group list { optional double element; } } } }
    optional group objects {
        optional group id (LIST) { repeated group list { optional binary element (STRING); } }
        optional group kind (LIST) { repeated group list { optional binary element (STRING); } }
        optional group category (LIST) { repeated group list { optional binary element (STRING); } }
        optional group bbox (LIST) { repeated group list { optional group element (LIST) {
            repeated group list { optional double element; } } } }
        optional group text (LIST) { repeated group list { optional binary element (STRING); } }
    }
    optional binary ground_truth (STRING);
}";

fn features() -> String {
    let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
    // `Sequence` is read by old and new versions of the library, `List` by new ones only.
    let list = |feature| json!({ "feature": feature, "_type": "Sequence" });
    let strings = || list(value("string"));
    let boxes = || list(list(value("float64")));
    let features = json!({
        "image": { "_type": "Image" },
        "id": value("string"),
        "document": value("string"),
        "page": value("int32"),
        "width": value("int32"),
        "height": value("int32"),
        "language": value("string"),
        "document_type": value("string"),
        "words": strings(),
        "word_boxes": boxes(),
        "objects": {
            "id": strings(), "kind": strings(), "category": strings(), "bbox": boxes(),
            "text": strings(),
        },
        "ground_truth": value("string"),
    });
    json!({ "info": { "features": features } }).to_string()
}

fn broken(error: ParquetError) -> Failure {
    Failure::broken(error)
}

pub(crate) struct Shards {
    shard_size: usize,
    parts: Parts<Shard>,
}

impl Shards {
    pub(crate) fn new(shard_mib: u32) -> Self {
        Self {
            shard_size: shard_mib as usize * MIB,
            parts: Parts::default(),
        }
    }
}

impl Rows for Shards {
    fn push(
        &mut self,
        part: Part,
        row: &Row,
        image: &PageImage,
        format: ImageFormat,
    ) -> Result<()> {
        let path = format!("{}.{}", image.name, format.extension());
        let image = image.encode(format)?;
        let shard = self.parts.get(part, || Shard::create(part, 0))?;
        if shard.size() + image.len() > self.shard_size && !shard.is_empty() {
            shard.next(part)?;
        }
        shard.push(row, path, image)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.parts
            .into_iter()
            .try_for_each(|(_, shard)| shard.finish())
    }
}

const MIB: usize = 1 << 20;
/// A row group is written column by column and therefore held until it has this size.
const ROW_GROUP: usize = 16 * MIB;

struct Shard {
    number: u32,
    writer: SerializedFileWriter<Output>,
    rows: RowGroup,
}

impl Shard {
    fn create(part: Part, number: u32) -> Result<Self> {
        let output = Output::create(&format!("data/{}-{number:05}.parquet", part.name()))?;
        let schema: TypePtr = Arc::new(parse_message_type(SCHEMA).map_err(broken)?);
        let writer = SerializedFileWriter::new(output, schema, properties()).map_err(broken)?;
        Ok(Self {
            number,
            writer,
            rows: RowGroup::default(),
        })
    }

    fn size(&self) -> usize {
        self.writer.bytes_written() + self.rows.size
    }

    fn is_empty(&self) -> bool {
        self.size() == 0
    }

    fn push(&mut self, row: &Row, path: String, image: Vec<u8>) -> Result<()> {
        self.rows.push(row, path, image);
        if self.rows.size >= ROW_GROUP {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.writer.next_row_group().map_err(broken)?;
        rows.write(&mut group).map_err(broken)?;
        group.close().map_err(broken)?;
        Ok(())
    }

    /// Ends this file and begins the next.
    fn next(&mut self, part: Part) -> Result<()> {
        let next = Self::create(part, self.number + 1)?;
        std::mem::replace(self, next).finish()
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.writer.into_inner().map_err(broken)?.finish()
    }
}

fn properties() -> WriterPropertiesPtr {
    let image = ColumnPath::from(vec!["image".to_owned(), "bytes".to_owned()]);
    let features = KeyValue::new("huggingface".to_owned(), features());
    let properties = WriterProperties::builder()
        .set_created_by("docgenie-engine".to_owned())
        .set_key_value_metadata(Some(vec![features]))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_compression(Compression::SNAPPY)
        .set_column_compression(image.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(image, false);
    Arc::new(properties.build())
}

/// The values of a column. `starts` has an entry for each value, and for each empty list, that says
/// what begins there: 0 a row, 1 an item of the outer list, 2 one of the inner list.
struct Column<T> {
    values: Vec<T>,
    starts: Vec<i16>,
    /// Positions in `starts` of empty lists.
    empty: Vec<usize>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            starts: Vec::new(),
            empty: Vec::new(),
        }
    }
}

impl<T> Column<T> {
    fn scalar(&mut self, value: T) {
        self.values.push(value);
        self.starts.push(0);
    }

    fn list(&mut self, items: impl IntoIterator<Item = T>) {
        self.lists(items.into_iter().map(|item| [item]));
    }

    /// A list of lists, none of which is empty.
    fn lists<const N: usize>(&mut self, items: impl IntoIterator<Item = [T; N]>) {
        let row = self.starts.len();
        for item in items {
            self.starts
                .extend((0..N).map(|index| if index == 0 { 1 } else { 2 }));
            self.values.extend(item);
        }
        match self.starts.get_mut(row) {
            Some(first) => *first = 0,
            None => {
                self.empty.push(row);
                self.starts.push(0);
            }
        }
    }

    fn write<D: DataType<T = T>>(
        self,
        group: &mut SerializedRowGroupWriter<'_, Output>,
    ) -> Result<(), ParquetError> {
        let missing = || ParquetError::General("the schema has fewer columns".to_owned());
        let mut column = group.next_column()?.ok_or_else(missing)?;
        let writer = column.typed::<D>();
        let descriptor = writer.get_descriptor();
        // How much of the column's path is there: all of it, or as far as the outermost list. Each
        // list adds two levels, for having items and for an item's being there.
        let whole = descriptor.max_def_level();
        let mut definition = vec![whole; self.starts.len()];
        for position in self.empty {
            definition[position] = whole - 2 * descriptor.max_rep_level();
        }
        writer.write_batch(&self.values, Some(&definition), Some(&self.starts))?;
        column.close()
    }
}

type Text = Column<ByteArray>;

/// Rows that wait to be written, in the order of the schema's columns.
#[derive(Default)]
struct RowGroup {
    /// About how many bytes it holds.
    size: usize,
    image: Text,
    path: Text,
    id: Text,
    document: Text,
    page: Column<i32>,
    width: Column<i32>,
    height: Column<i32>,
    language: Text,
    document_type: Text,
    words: Text,
    word_boxes: Column<f64>,
    object_id: Text,
    object_kind: Text,
    object_category: Text,
    object_bbox: Column<f64>,
    object_text: Text,
    ground_truth: Text,
}

impl RowGroup {
    fn push(&mut self, row: &Row, path: String, image: Vec<u8>) {
        let text = |text: &String| ByteArray::from(text.as_str());
        let texts = |texts: &[String]| {
            texts
                .iter()
                .map(|text| ByteArray::from(text.as_str()))
                .collect::<Vec<_>>()
        };
        let objects = &row.objects;
        // A word or an object is some 100 bytes with its box.
        self.size += image.len() + row.ground_truth.len();
        self.size += 100 * (row.words.len() + objects.id.len());
        self.image.scalar(ByteArray::from(image));
        self.path.scalar(ByteArray::from(path.into_bytes()));
        self.id.scalar(text(&row.id));
        self.document.scalar(text(&row.document));
        self.page.scalar(row.page);
        self.width.scalar(row.width);
        self.height.scalar(row.height);
        self.language.scalar(text(&row.language));
        self.document_type.scalar(text(&row.document_type));
        self.words.list(texts(&row.words));
        self.word_boxes.lists(row.word_boxes.iter().copied());
        self.object_id.list(texts(&objects.id));
        self.object_kind.list(texts(&objects.kind));
        self.object_category.list(texts(&objects.category));
        self.object_bbox.lists(objects.bbox.iter().copied());
        self.object_text.list(texts(&objects.text));
        self.ground_truth.scalar(text(&row.ground_truth));
    }

    fn write(self, group: &mut SerializedRowGroupWriter<'_, Output>) -> Result<(), ParquetError> {
        self.image.write::<ByteArrayType>(group)?;
        self.path.write::<ByteArrayType>(group)?;
        self.id.write::<ByteArrayType>(group)?;
        self.document.write::<ByteArrayType>(group)?;
        self.page.write::<Int32Type>(group)?;
        self.width.write::<Int32Type>(group)?;
        self.height.write::<Int32Type>(group)?;
        self.language.write::<ByteArrayType>(group)?;
        self.document_type.write::<ByteArrayType>(group)?;
        self.words.write::<ByteArrayType>(group)?;
        self.word_boxes.write::<DoubleType>(group)?;
        self.object_id.write::<ByteArrayType>(group)?;
        self.object_kind.write::<ByteArrayType>(group)?;
        self.object_category.write::<ByteArrayType>(group)?;
        self.object_bbox.write::<DoubleType>(group)?;
        self.object_text.write::<ByteArrayType>(group)?;
        self.ground_truth.write::<ByteArrayType>(group)
    }
}
