//! The same types in TypeScript, as the page has them.

use std::{fs, path::Path};

use ts_rs::{Config, TS};

use super::*;

fn file() -> String {
    let config = Config::default();
    let mut text =
        "// Made from examples/web/worker/src/messages: its test writes this file anew where HEARTH_BLESS=1.\n"
            .to_string();
    macro_rules! declare {
        ($($name:ident),* $(,)?) => {
            $(text += &format!("\nexport {}\n", readable(&$name::decl(&config)));)*
        };
    }
    declare!(
        Request,
        Settings,
        TokenizerName,
        Reply,
        State,
        DeviceInfo,
        ModuleName,
        StorageState,
        TextInfo,
        TokenCount,
        PlanInfo,
        PartInfo,
        MemoryInfo,
        CertificateInfo,
        CertificateRow,
        LookInfo,
        NextToken,
        Trouble,
        TroubleKind,
        RunInfo,
        CheckpointInfo,
        StepFigures,
        EvaluationFigures,
        Sample,
    );
    text
}

/// A member of a union a line, and no blanks that nobody needs.
fn readable(declaration: &str) -> String {
    let lines = declaration.trim_end().replace(" | { \"type\"", "\n  | { \"type\"").replace(", }", " }");
    lines.lines().map(|line| line.trim_end().to_string() + "\n").collect::<String>().trim_end().into()
}

#[test]
fn the_page_has_these_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/messages.ts");
    if std::env::var_os("HEARTH_BLESS").is_some() {
        fs::write(&path, file()).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == file(), "{} is not what the types are: HEARTH_BLESS=1 writes it anew", path.display());
}
