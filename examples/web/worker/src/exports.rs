//! What `worker.ts` calls, and what `platform.ts` gives.

use std::{cell::RefCell, rc::Rc, time::Duration};

use js_sys::{Array, Error, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::{
    DriveError, Inbox, Mail, Platform, Soon, fault,
    messages::{Reply, StorageState, Trouble, TroubleKind},
    serve,
};

#[wasm_bindgen]
extern "C" {
    /// The object that `platform.ts` makes.
    pub type Browser;

    #[wasm_bindgen(method)]
    fn post(this: &Browser, json: &str, parts: Array);
    #[wasm_bindgen(method)]
    fn now(this: &Browser) -> f64;
    #[wasm_bindgen(method, getter, js_name = wantsGpu)]
    fn wants_gpu(this: &Browser) -> bool;
    #[wasm_bindgen(method, js_name = gpuName)]
    fn gpu_name(this: &Browser) -> Promise;
    #[wasm_bindgen(method)]
    fn breathe(this: &Browser) -> Promise;
    #[wasm_bindgen(method)]
    fn lock(this: &Browser) -> Promise;
    #[wasm_bindgen(method)]
    fn list(this: &Browser) -> Promise;
    #[wasm_bindgen(method)]
    fn read(this: &Browser, name: &str) -> Promise;
    #[wasm_bindgen(method)]
    fn write(this: &Browser, name: &str, content: Uint8Array) -> Promise;
    #[wasm_bindgen(method)]
    fn remove(this: &Browser, name: &str) -> Promise;
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

thread_local! {
    static INBOX: RefCell<Inbox> = RefCell::default();
}

/// Runs static constructors, which else would run again at each call of an export.
#[wasm_bindgen(start)]
pub fn construct() {
    // SAFETY: called once, before anything else.
    unsafe { __wasm_call_ctors() };
}

/// Begins to serve the page.
#[wasm_bindgen]
pub fn start(browser: Browser) {
    let browser = Rc::new(browser);
    let inbox = INBOX.with_borrow(Inbox::clone);
    let platform: Rc<dyn Platform> = browser.clone();
    // A panic ends the module: what it said is all that is left of it.
    std::panic::set_hook(Box::new(|info| post_panic(&info.to_string())));
    #[cfg(feature = "gpu")]
    log::set_logger(&FAULTS).map(|()| log::set_max_level(log::LevelFilter::Error)).expect("there is no other");
    BROWSER.set(Some(browser));
    spawn_local(async move {
        if let Err(error) = serve(platform.clone(), inbox).await {
            let trouble =
                Trouble { id: None, kind: crate::trouble::kind(&error), words: error.to_string(), can_continue: false };
            platform.post(&Reply::Trouble { trouble }, Vec::new());
        }
    });
}

thread_local! {
    static BROWSER: RefCell<Option<Rc<Browser>>> = const { RefCell::new(None) };
}

/// Lines that CubeCL logs as errors: in a browser that is all that it says of a kernel which does not compile, or of a device
/// that is lost.
#[cfg(feature = "gpu")]
struct Faults;

#[cfg(feature = "gpu")]
static FAULTS: Faults = Faults;

#[cfg(feature = "gpu")]
impl log::Log for Faults {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let words = record.args().to_string();
            let is_lost = words.starts_with("the wgpu device was lost");
            let kind = if is_lost { TroubleKind::DeviceLost } else { TroubleKind::GpuError };
            fault::report(kind, words.lines().take(4).collect::<Vec<_>>().join(" "));
        }
    }

    fn flush(&self) {}
}

fn post_panic(words: &str) {
    BROWSER.with_borrow(|browser| {
        // After a fault of the device its panics say less than what went wrong first.
        let (kind, words) = fault::first().unwrap_or((TroubleKind::Internal, words.into()));
        // The module can be called again all the same: what is under way is not to go on.
        fault::report(kind, &*words);
        let trouble = Trouble { id: None, kind, words, can_continue: false };
        if let Some(browser) = browser {
            Platform::post(&**browser, &Reply::Trouble { trouble }, Vec::new());
        }
    });
}

/// Takes a request from the page, as JSON, with its bytes.
///
/// # Errors
/// It is none of ours.
#[wasm_bindgen]
pub fn receive(json: &str, parts: Array) -> Result<(), JsValue> {
    let request = serde_json::from_str(json).map_err(|error| Error::new(&format!("no request: {error}")))?;
    let parts = parts.iter().map(|part| Uint8Array::new(&part).to_vec()).collect();
    INBOX.with_borrow(|inbox| inbox.put(Mail { request, parts }));
    Ok(())
}

impl Platform for Browser {
    fn post(&self, reply: &Reply, parts: Vec<Vec<u8>>) {
        let json = serde_json::to_string(reply).expect("plain values");
        let arrays = parts.iter().map(|part| JsValue::from(Uint8Array::from(part.as_slice()))).collect();
        self.post(&json, arrays);
    }

    fn now(&self) -> Duration {
        Duration::from_secs_f64(self.now() / 1000.0)
    }

    fn memory_bytes(&self) -> f64 {
        const PAGE: f64 = 65536.0;
        core::arch::wasm32::memory_size(0) as f64 * PAGE
    }

    fn wants_gpu(&self) -> bool {
        self.wants_gpu()
    }

    fn gpu_name(&self) -> Soon<'_, String> {
        Box::pin(async {
            let name = JsFuture::from(self.gpu_name()).await.ok().and_then(|name| name.as_string());
            name.unwrap_or_else(|| "a GPU that this browser does not name".into())
        })
    }

    fn breathe(&self) -> Soon<'_, ()> {
        Box::pin(async { drop(JsFuture::from(self.breathe()).await) })
    }

    fn lock(&self) -> Soon<'_, StorageState> {
        Box::pin(async {
            let said = JsFuture::from(self.lock()).await.ok().and_then(|said| said.as_string());
            match said.as_deref() {
                Some("ready") => StorageState::Ready,
                Some("other_tab") => StorageState::OtherTab,
                _ => StorageState::Unavailable,
            }
        })
    }

    fn list(&self) -> Soon<'_, Result<Vec<String>, DriveError>> {
        Box::pin(async {
            let names = JsFuture::from(self.list()).await.map_err(drive_error)?;
            Ok(Array::from(&names).iter().filter_map(|name| name.as_string()).collect())
        })
    }

    fn read<'a>(&'a self, name: &'a str) -> Soon<'a, Result<Vec<u8>, DriveError>> {
        Box::pin(async move {
            let content = JsFuture::from(self.read(name)).await.map_err(drive_error)?;
            Ok(Uint8Array::new(&content).to_vec())
        })
    }

    fn write<'a>(&'a self, name: &'a str, content: &'a [u8]) -> Soon<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let written = JsFuture::from(self.write(name, Uint8Array::from(content)));
            written.await.map(drop).map_err(drive_error)
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Soon<'a, Result<(), DriveError>> {
        Box::pin(async move { JsFuture::from(self.remove(name)).await.map(drop).map_err(drive_error) })
    }
}

fn drive_error(error: JsValue) -> DriveError {
    let Some(error) = error.dyn_ref::<Error>() else {
        return DriveError { is_full: false, words: "for no reason that it gives".into() };
    };
    let name = String::from(error.name());
    DriveError { is_full: name == "QuotaExceededError", words: format!("{name}: {}", String::from(error.message())) }
}
