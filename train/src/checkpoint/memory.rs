//! Checkpoints in memory: for the browser, which keeps the bytes elsewhere, and for tests.

use std::{
    collections::BTreeMap,
    io::{self, Cursor, ErrorKind, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::store::{Mapped, NewFile, Store};

/// A [`Store`] in memory. A clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    folders: BTreeMap<String, BTreeMap<String, Arc<Vec<u8>>>>,
    /// The memory of the folder that was removed last, for the next checkpoint, which is as large: else a module, whose memory
    /// never shrinks, would grow wherever something small has come to lie within it.
    spare: Vec<Vec<u8>>,
}

impl Inner {
    /// Memory for so many bytes: what is spare, or else new.
    fn room(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let fits = |(_, content): &(usize, &Vec<u8>)| content.capacity() >= bytes;
        let found = self.spare.iter().enumerate().filter(fits).min_by_key(|(_, content)| content.capacity());
        if let Some((at, _)) = found {
            return Some(self.spare.swap_remove(at));
        }
        let mut content = Vec::new();
        content.try_reserve_exact(bytes).ok().map(|()| content)
    }
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of all files, as `FOLDER/FILE`, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let inner = self.lock();
        inner
            .folders
            .iter()
            .flat_map(|(folder, files)| files.keys().map(move |file| format!("{folder}/{file}")))
            .collect()
    }

    /// The content of a file, without a copy of it.
    pub fn get(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        let (folder, file) = name.split_once('/')?;
        self.lock().folders.get(folder)?.get(file).cloned()
    }

    /// Puts a file in its folder, which is made if it is not there.
    ///
    /// # Errors
    /// `name` is not `FOLDER/FILE`.
    pub fn insert(&self, name: &str, content: Vec<u8>) -> io::Result<()> {
        let (folder, file) = parts(name)?;
        self.lock().folders.entry(folder.into()).or_default().insert(file.into(), Arc::new(content));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content(&self, name: &str) -> io::Result<Content> {
        self.get(name).map(Content).ok_or_else(|| missing(name))
    }
}

impl Store for Memory {
    fn location(&self, name: &str) -> String {
        if name.is_empty() { "memory".into() } else { name.into() }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().folders.keys().cloned().collect())
    }

    fn create(&self, folder: &str) -> io::Result<()> {
        let folders = &mut self.lock().folders;
        if folders.contains_key(folder) {
            return Err(taken(folder));
        }
        folders.insert(folder.into(), BTreeMap::new());
        Ok(())
    }

    fn begin(&self, name: &str, bytes: u64) -> io::Result<Box<dyn NewFile>> {
        let content = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| self.lock().room(bytes))
            .ok_or_else(|| io::Error::new(ErrorKind::OutOfMemory, format!("there is no memory for {bytes} bytes")))?;
        let (folder, file) = parts(name)?;
        Ok(Box::new(Growing { store: self.clone(), folder: folder.into(), file: file.into(), content }))
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read>, u64)> {
        let content = self.content(name)?;
        let bytes = content.0.len() as u64;
        Ok((Box::new(Cursor::new(content)), bytes))
    }

    fn map(&self, name: &str) -> io::Result<Mapped> {
        Ok(Box::new(self.content(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let folders = &mut self.lock().folders;
        if folders.contains_key(to) {
            return Err(taken(to));
        }
        let files = folders.remove(from).ok_or_else(|| missing(from))?;
        folders.insert(to.into(), files);
        Ok(())
    }

    fn remove(&self, folder: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let files = inner.folders.remove(folder).into_iter().flatten();
        let spare = files.filter_map(|(_, content)| Arc::into_inner(content)).map(|mut content| {
            content.clear();
            content
        });
        inner.spare = spare.collect();
        Ok(())
    }

    /// There is nothing to do: memory lasts as long as the process.
    fn sync(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

/// A file's content, shared with the store.
struct Content(Arc<Vec<u8>>);

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A file that the store has when it is finished.
struct Growing {
    store: Memory,
    folder: String,
    file: String,
    content: Vec<u8>,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Growing {
    fn finish(self: Box<Self>) -> io::Result<()> {
        let Self { store, folder, file, content } = *self;
        let folders = &mut store.lock().folders;
        folders.get_mut(&folder).ok_or_else(|| missing(&folder))?.insert(file, Arc::new(content));
        Ok(())
    }
}

fn parts(name: &str) -> io::Result<(&str, &str)> {
    let wrong = || io::Error::new(ErrorKind::InvalidInput, format!("{name:?} is not FOLDER/FILE"));
    name.split_once('/').filter(|(folder, file)| !folder.is_empty() && !file.is_empty()).ok_or_else(wrong)
}

fn missing(name: &str) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("there is no {name}"))
}

fn taken(name: &str) -> io::Error {
    io::Error::new(ErrorKind::AlreadyExists, format!("{name} is there already"))
}
