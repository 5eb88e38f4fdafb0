//! A browser for tests: it keeps what is posted, and its event loop turns when a test says so.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    Inbox, Mail,
    messages::{Reply, Request, Settings, State, StorageState, TokenizerName, Trouble},
    platform::{DriveError, Platform, Soon},
    serve,
};

/// A run of a moment, with everything in it.
pub fn settings() -> Settings {
    Settings {
        layers: 1,
        width: 16,
        heads: 2,
        context_length: 16,
        dropout: 0.1,
        tokenizer: TokenizerName::Char,
        batch: 4,
        steps: 12,
        learning_rate: 1e-2,
        warmup_steps: 2,
        seed: 3,
        evaluate_every: 5,
        sample_every: 6,
        save_every: 4,
        prompt: "th".into(),
    }
}

/// A text of some length.
pub fn text() -> &'static str {
    &include_str!("../../../shakespeare/input.txt")[..8000]
}

/// The result of a future that waits for nothing.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// What is kept when a tab is closed.
pub type Files = Rc<RefCell<BTreeMap<String, Vec<u8>>>>;

/// What a page would have heard: replies with their bytes.
pub type Posts = Vec<(Reply, Vec<Vec<u8>>)>;

struct Browser {
    posts: RefCell<Posts>,
    files: Files,
    /// Bytes that there is room for.
    room: Cell<usize>,
    milliseconds: Cell<u64>,
    storage: StorageState,
}

impl Platform for Browser {
    fn post(&self, reply: &Reply, parts: Vec<Vec<u8>>) {
        self.posts.borrow_mut().push((reply.clone(), parts));
    }

    fn now(&self) -> Duration {
        self.milliseconds.set(self.milliseconds.get() + 1);
        Duration::from_millis(self.milliseconds.get())
    }

    fn memory_bytes(&self) -> f64 {
        1.0
    }

    fn wants_gpu(&self) -> bool {
        false
    }

    fn gpu_name(&self) -> Soon<'_, String> {
        Box::pin(async { "none".into() })
    }

    fn breathe(&self) -> Soon<'_, ()> {
        let mut has_turned = false;
        Box::pin(poll_fn(move |_| match std::mem::replace(&mut has_turned, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }))
    }

    fn lock(&self) -> Soon<'_, StorageState> {
        Box::pin(async { self.storage })
    }

    fn list(&self) -> Soon<'_, Result<Vec<String>, DriveError>> {
        Box::pin(async { Ok(self.files.borrow().keys().cloned().collect()) })
    }

    fn read<'a>(&'a self, name: &'a str) -> Soon<'a, Result<Vec<u8>, DriveError>> {
        Box::pin(async move { Ok(self.files.borrow()[name].clone()) })
    }

    fn write<'a>(&'a self, name: &'a str, content: &'a [u8]) -> Soon<'a, Result<(), DriveError>> {
        Box::pin(async move {
            self.breathe().await;
            let others: usize = self.files.borrow().iter().filter(|(it, _)| *it != name).map(|(_, it)| it.len()).sum();
            if others + content.len() > self.room.get() {
                // As much as there is room for is there all the same.
                self.files.borrow_mut().insert(name.into(), Vec::new());
                return Err(DriveError { is_full: true, words: "QuotaExceededError".into() });
            }
            self.files.borrow_mut().insert(name.into(), content.into());
            Ok(())
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Soon<'a, Result<(), DriveError>> {
        Box::pin(async move {
            self.breathe().await;
            let folder = format!("{name}/");
            self.files.borrow_mut().retain(|other, _| other != name && !other.starts_with(&folder));
            Ok(())
        })
    }
}

/// A worker in such a browser.
pub struct Page {
    browser: Rc<Browser>,
    inbox: Inbox,
    worker: Soon<'static, ()>,
    /// Posts that were looked at.
    seen: usize,
}

impl Page {
    /// A tab that finds these files.
    pub fn open(files: &Files) -> Self {
        Self::with_storage(files, StorageState::Ready)
    }

    /// The same where the browser says this of its storage.
    pub fn with_storage(files: &Files, storage: StorageState) -> Self {
        let browser = Rc::new(Browser {
            posts: RefCell::default(),
            files: files.clone(),
            room: Cell::new(usize::MAX),
            milliseconds: Cell::new(0),
            storage,
        });
        let inbox = Inbox::default();
        let serving = serve(browser.clone(), inbox.clone());
        let worker = Box::pin(async move { serving.await.expect("there is a device") });
        let mut page = Self { browser, inbox, worker, seen: 0 };
        page.until(|reply| matches!(reply, Reply::Ready { .. }));
        page
    }

    /// A tab with a text.
    pub fn with_text(files: &Files) -> Self {
        let mut page = Self::open(files);
        page.ask_with(Request::Text { id: 1, name: "a.txt".into() }, vec![text().into()]);
        page.until(|reply| matches!(reply, Reply::Text { .. }));
        page
    }

    /// From here on there is room for so many bytes.
    pub fn set_room(&self, bytes: usize) {
        self.browser.room.set(bytes);
    }

    pub fn ask(&self, request: Request) {
        self.ask_with(request, Vec::new());
    }

    pub fn ask_with(&self, request: Request, parts: Vec<Vec<u8>>) {
        self.inbox.put(Mail { request, parts });
    }

    /// The event loop turns once.
    pub fn turn(&mut self) {
        assert!(
            self.worker.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(),
            "it serves for its life"
        );
    }

    /// Turns until such a reply comes, and gives it.
    pub fn until(&mut self, is_such: impl Fn(&Reply) -> bool) -> Reply {
        self.until_post(is_such).0
    }

    /// The same with its bytes.
    pub fn until_post(&mut self, is_such: impl Fn(&Reply) -> bool) -> (Reply, Vec<Vec<u8>>) {
        for _ in 0..20_000 {
            let new = self.browser.posts.borrow().get(self.seen).cloned();
            match new {
                Some(post) => {
                    self.seen += 1;
                    if is_such(&post.0) {
                        return post;
                    }
                }
                None => self.turn(),
            }
        }
        panic!("no such reply among {:?}", self.browser.posts.borrow().iter().map(|post| &post.0).collect::<Vec<_>>());
    }

    pub fn until_state(&mut self, wanted: State) {
        self.until(|reply| matches!(reply, Reply::State { state, .. } if *state == wanted));
    }

    pub fn until_trouble(&mut self) -> Trouble {
        match self.until(|reply| matches!(reply, Reply::Trouble { .. })) {
            Reply::Trouble { trouble } => trouble,
            _ => unreachable!("that was asked for"),
        }
    }

    /// All that was told.
    pub fn told(&self) -> Vec<Reply> {
        self.browser.posts.borrow().iter().map(|(reply, _)| reply.clone()).collect()
    }

    /// All losses that were told, by step.
    pub fn losses(&self) -> BTreeMap<u32, f64> {
        let told = self.told();
        let steps = told.iter().filter_map(|reply| match reply {
            Reply::Steps { steps, .. } => Some(steps),
            _ => None,
        });
        steps.flatten().map(|figures| (figures.step, figures.loss.expect("a finite loss"))).collect()
    }
}
