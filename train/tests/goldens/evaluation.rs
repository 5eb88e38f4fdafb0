//! Evaluation and chats: transformers' perplexity by sliding windows, lm-evaluation-harness' scores of rows, greedy answers of a
//! chat.

use std::{fs, ops::ControlFlow, path::PathBuf};

use burn::tensor::Device;
use hearth_model::Sampling;
use hearth_train::{
    chat::{Conversation, ReplyOptions, SamplingDefaults, template_of, turn_ends},
    eval::{NamedText, TaskFigures, TextOptions, evaluate_tasks, evaluate_text, read_questions},
    run::{RunFolder, TrainedModel},
};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/evaluation")
}

fn load(device: &Device) -> (TrainedModel, Value) {
    let trained = RunFolder::existing(folder()).load(device).unwrap_or_else(|error| panic!("{error}"));
    let expected = serde_json::from_str(&fs::read_to_string(folder().join("expected.json")).unwrap()).unwrap();
    (trained, expected)
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn assert_near(found: f64, expected: &Value, relative: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} is not {expected}");
}

hearth_wgsl::each_device! {
    fn windows_slide_as_in_transformers(device) {
        let (trained, expected) = load(&device);
        let text = fs::read_to_string(folder().join("text.txt")).unwrap();
        for windows in expected["windows"].as_array().unwrap() {
            for batch in [1, 5] {
                let options = TextOptions { context: size(&windows["context"]), stride: size(&windows["stride"]), batch };
                let mut heard = (0, 0);
                let named = NamedText { name: "text.txt", text: &text };
                let found = evaluate_text(&trained, named, options, |done, all| heard = (done, all)).unwrap();
                let each: Vec<(f64, u64)> = windows["found"].as_array().unwrap().iter()
                    .map(|window| (window[0].as_f64().unwrap(), window[1].as_u64().unwrap())).collect();
                let (nats, scored) = each.iter().fold((0.0, 0), |sum, window| (sum.0 + window.0, sum.1 + window.1));
                assert_near(found.nats, &nats.into(), 2e-6);
                // The text begins with the model's first token.
                assert_eq!((found.scored, found.tokens + 1), (scored, windows["tokens"].as_u64().unwrap()));
                assert_eq!((heard.0, found.bytes), (scored, text.len() as u64));
                // The recipe's own mean weighs windows by one token less than they have, but for the first.
                assert_near(found.nats_per_token(), &windows["recipe"], 1e-3);
            }
        }
    }
}

hearth_wgsl::each_device! {
    fn rows_are_scored_as_by_lm_evaluation_harness(device) {
        let (trained, expected) = load(&device);
        for (name, expected) in expected["tasks"].as_object().unwrap() {
            let path = folder().join(format!("{name}.jsonl"));
            let (format, questions) = read_questions(&path, None, usize::MAX).unwrap();
            assert_eq!(format.name(), name);
            let context = trained.model.config().context_length;
            let found = evaluate_tasks(&trained, &questions, (context, 3), |_, _| {}).unwrap();
            let rows = expected["rows"].as_array().unwrap();
            assert_eq!((questions.len(), found.len()), (rows.len(), rows.len()));
            for ((question, score), row) in questions.iter().zip(&found).zip(rows) {
                assert_eq!(question.context, row["context"].as_str().unwrap());
                let logs = row["log_likelihoods"].as_array().unwrap();
                assert_eq!(score.log_likelihoods.len(), logs.len());
                score.log_likelihoods.iter().zip(logs).for_each(|(found, expected)| assert_near(*found, expected, 1e-5));
                let right = [score.likeliest(), score.likeliest_by_characters(), score.likeliest_by_bytes()];
                let right = right.map(|chosen| f64::from(u8::from(chosen == score.gold)));
                assert_eq!(right, ["acc", "acc_norm", "acc_bytes"].map(|metric| row[metric].as_f64().unwrap()));
            }
            let figures = TaskFigures::of(&found);
            for (metric, share) in [("acc", figures.acc), ("acc_norm", figures.acc_norm), ("acc_bytes", figures.acc_bytes)] {
                assert_near(share.value, &expected["metrics"][metric], 1e-12);
                assert_near(share.stderr.unwrap(), &expected["metrics"][format!("{metric}_stderr")], 1e-12);
            }
        }
    }
}

hearth_wgsl::each_device! {
    fn a_chat_has_the_answers_of_transformers(device) {
        let (trained, expected) = load(&device);
        let chat = &expected["chat"];
        let template = template_of(&folder(), &trained.tokenizer, None).unwrap();
        let ends = turn_ends(&folder(), &trained.tokenizer, &template).unwrap();
        // <|endoftext|> and <|im_end|>, of generation_config.json.
        assert_eq!(ends, [1, 3]);
        let mut conversation = Conversation::new(&trained, template, ends, usize::MAX);
        let options = ReplyOptions { max_tokens: 8, sampling: Sampling::greedy() };
        let mut read = Vec::new();
        for (question, answer) in chat["questions"].as_array().unwrap().iter().zip(chat["answers"].as_array().unwrap()) {
            let show = async |_: &str| ControlFlow::Continue(());
            let reply = pollster::block_on(conversation.say(question.as_str().unwrap(), &options, show)).unwrap();
            assert_eq!(reply.text, answer.as_str().unwrap());
            assert_eq!((reply.drawn.tokens, reply.dropped), (8, 0));
            read.push(reply.read);
        }
        assert_eq!(conversation.messages().len(), 6);
        // Of a later turn little more than itself is read.
        let all = trained.tokenizer.encode_with_special(chat["text"].as_str().unwrap()).unwrap().len();
        assert!(read.iter().sum::<usize>() < all + 8, "{read:?} of {all}");
    }
}

/// What the chat is not allowed to be longer than.
#[test]
fn the_oldest_messages_are_dropped_from_a_long_chat() {
    let (trained, _) = load(&Device::flex());
    let template = template_of(&folder(), &trained.tokenizer, None).unwrap();
    let mut conversation = Conversation::new(&trained, template, vec![1, 3], 100);
    conversation.set_system(Some("Be.".into()));
    let options = ReplyOptions { max_tokens: 6, sampling: Sampling::greedy() };
    let mut say = |text: &str| {
        let show = async |_: &str| ControlFlow::Continue(());
        let reply = pollster::block_on(conversation.say(text, &options, show));
        (reply.map(|reply| reply.dropped).map_err(|error| error.to_string()), conversation.messages().len())
    };
    let mut dropped = 0;
    for turn in 1..9 {
        let (found, messages) = say("What is it?");
        dropped += found.unwrap();
        assert_eq!(messages + dropped, 2 * turn);
    }
    assert!(dropped >= 4, "{dropped}");
    let before = say("No").1;
    let (found, messages) = say(&"long ".repeat(60));
    assert!(found.unwrap_err().starts_with("the message: has "));
    assert_eq!(messages, before);
    assert!(say("No").0.is_ok());
}

#[test]
fn sampling_is_what_the_model_was_published_with() {
    let found = SamplingDefaults::of(&folder()).unwrap();
    assert_eq!((found.temperature, found.top_k, found.top_p), (Some(0.7), Some(40), Some(0.9)));
}
