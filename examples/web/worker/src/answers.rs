//! Answers that the page may have whether or not a run is under way.

use std::ops::ControlFlow;

use hearth_data::Tokenizer;
use hearth_model::{Sampling, Transformer};
use hearth_train::{
    TrainError,
    session::{Prompt, draw},
};

use crate::{
    front::Front,
    inbox::Inbox,
    look::look,
    messages::{Reply, Request, TroubleKind, count},
    platform::Platform,
    run::Run,
};

/// Goes on natively with the run that was taken home, in its folder.
const COMMAND: &str = "hearth train config.toml --out . --resume auto";

/// Answers what needs the model: a text that is drawn, or a look at one. `breathe` is waited for between tokens, and may end
/// them.
pub async fn of_model(
    model: &Transformer,
    tokenizer: &Tokenizer,
    front: &Front,
    inbox: &Inbox,
    request: &Request,
    breathe: impl AsyncFnMut() -> ControlFlow<()>,
) {
    let answer = match request {
        Request::Look { id, prompt, temperature } => {
            look(model, tokenizer, prompt, *temperature).await.map(|look| Reply::Looked { id: *id, look })
        }
        other => generate(model, tokenizer, front, inbox, other, breathe).await,
    };
    match answer {
        Ok(reply) => front.post(reply),
        Err(error) => front.error(request.id(), &error),
    }
}

async fn generate(
    model: &Transformer,
    tokenizer: &Tokenizer,
    front: &Front,
    inbox: &Inbox,
    request: &Request,
    mut breathe: impl AsyncFnMut() -> ControlFlow<()>,
) -> Result<Reply, TrainError> {
    let Request::Generate { id, prompt, tokens, temperature, top_k, seed } = request else {
        return Err(TrainError::Internal("no request for the model".into()));
    };
    let (temperature, top_k, seed) = (*temperature, *top_k as usize, u64::from(*seed));
    let sampling = Sampling { temperature, top_k, seed, ..Sampling::default() };
    let prompt = Prompt::new(tokenizer, Some(prompt), false, "the prompt")?;
    let show = async |piece: &str| {
        front.post(Reply::Token { id: *id, text: piece.into() });
        let is_cancelled = |request: &Request| matches!(request, Request::Cancel { id: other } if other == id);
        match breathe().await {
            ControlFlow::Continue(()) if inbox.take_if(is_cancelled).is_none() => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    };
    let drawn = draw(model, tokenizer, &prompt, (*tokens as usize, sampling), &[], show).await?;
    Ok(Reply::Generated { id: *id, tokens: count(drawn.tokens), end: drawn.end.name().into() })
}

/// Gives the page everything of a run.
pub fn export(platform: &dyn Platform, front: &Front, id: u32, run: Option<&Run>) {
    match run.filter(|run| !run.checkpoints.names().is_empty()) {
        None => {
            let words = "There is no checkpoint yet: save one, or train for a while.";
            front.trouble(Some(id), TroubleKind::NotNow, words);
        }
        Some(run) => {
            let (names, parts) = run.files().into_iter().unzip();
            platform.post(&Reply::Files { id, names, command: COMMAND.into() }, parts);
        }
    }
}
