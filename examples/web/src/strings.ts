// Every word that the page shows. To translate the page, translate this file and the language in `format.ts`.
import { bytes, count, duration, figure } from "./format.ts";
import type { State, TroubleKind } from "./messages.ts";
import type { Key, Preset } from "./settings.ts";

const s = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

const fields: Record<Key, { label: string; help: string }> = {
  layers: { label: "Layers", help: "Blocks of attention and thinking, one above the other." },
  width: { label: "Width", help: "Numbers that describe each token. A multiple of the heads." },
  heads: { label: "Heads", help: "Ways of looking back at once, in each layer." },
  context_length: { label: "Context", help: "Tokens that it can look back at." },
  dropout: {
    label: "Dropout",
    help: "Share of numbers that is left out at random, against learning by heart.",
  },
  tokenizer: { label: "Tokens", help: "What it reads and writes at a time." },
  batch: { label: "Batch", help: "Pieces of text in a step." },
  steps: { label: "Steps", help: "How often it reads some text and improves." },
  learning_rate: { label: "Learning rate", help: "How far a step changes it." },
  warmup_steps: { label: "Warm-up steps", help: "Steps until the learning rate is reached." },
  seed: { label: "Seed", help: "The same seed gives the same run again." },
  evaluate_every: { label: "Validate every", help: "Steps between looks at text that it never learns from." },
  sample_every: { label: "Sample every", help: "Steps between the samples that it writes." },
  save_every: { label: "Save every", help: "Steps between checkpoints." },
  prompt: { label: "Samples begin with", help: "Empty: with the beginning of a line." },
};

const presets: Record<Preset, { label: string; help: string }> = {
  quick: { label: "30 seconds", help: "It finds letters and line breaks." },
  lesson: { label: "5 minutes", help: "It finds words and the shape of the text." },
  night: { label: "Overnight", help: "It finds the style." },
};

const states: Record<State, string> = {
  idle: "Ready to train",
  starting: "Starting",
  training: "Training",
  pausing: "Pausing after this step",
  paused: "Paused",
  stopping: "Stopping and saving",
  done: "Done",
  failed: "Stopped by a problem",
};

/** Why a text ended, by the worker's word for it. */
const ends: Record<string, string> = { end_of_text: ", and the text ends", interrupted: ", stopped" };

const troubles: Record<TroubleKind, { title: string; advice: string }> = {
  not_text: { title: "That is not a text", advice: "Choose a plain text file, or paste the text." },
  text_too_short: { title: "The text is too short", advice: "Add more text, or take the embedded one." },
  settings: { title: "These settings make no model", advice: "Change what is named here." },
  limit: { title: "Too large for this device", advice: "Choose a smaller model or another device." },
  device_lost: {
    title: "The GPU was lost",
    advice: "The browser took it away. The run is kept up to its last checkpoint.",
  },
  gpu_error: {
    title: "The GPU reported an error",
    advice: "Training has stopped, because its numbers may be wrong.",
  },
  wrong_numbers: {
    title: "This GPU computes wrong numbers",
    advice: "It was compared with your processor and failed. Nothing was trained on it.",
  },
  diverged: {
    title: "Training ran away",
    advice: "",
  },
  storage_full: {
    title: "The browser has no room left",
    advice: "",
  },
  storage_refused: {
    title: "This browser keeps nothing",
    advice: "",
  },
  other_tab: {
    title: "Another tab has the run",
    advice:
      "Only one tab can keep a run. Close the other one and try again; until then nothing is kept here.",
  },
  bad_checkpoint: {
    title: "This run cannot be opened",
    advice: "What is stored in this browser has not changed.",
  },
  large_module: {
    title: "This run needs the larger module",
    advice: "Its tokens are of a tokenizer.json, for which the page has to load more, and could not.",
  },
  out_of_memory: {
    title: "Out of memory",
    advice: "Choose a smaller model, a smaller batch or a shorter context.",
  },
  not_now: { title: "Not now", advice: "" },
  internal: {
    title: "The training module stopped",
    advice: "Load it again; a stored run is still there. If it happens again, please report these words.",
  },
};

export const strings = {
  title: "Hearth",
  lead: "Train a small language model on your own text, in this tab. Nothing leaves it.",
  copyLink: "Copy link",
  copied: "Copied",
  theme: { label: "Colours", auto: "Automatic", light: "Light", dark: "Dark" },
  skip: "Skip to the training",
  cancel: "Cancel",
  asTable: "As a table",
  dropHere: "Drop a text, or the folder or zip of a run",
  byTeacher: "Set by your teacher",

  text: {
    title: "Your text",
    drop: "Drop a text file or a folder here, or",
    choose: "Choose a file",
    paste: "Paste",
    embedded: "Take the embedded text",
    embeddedName: "Shakespeare",
    pastedName: "pasted text",
    pasteLabel: "Text to learn from",
    pasteUse: "Use this text",
    reading: "Reading the text…",
    several: (n: number) => `${n} files`,
    nothing: "There is no text file and no run among what you chose.",
    notWhileTraining: "Stop the run before you bring another text or run.",
    size: "Size",
    sizeOf: (b: number, lines: number) => `${bytes(b)}, ${s(lines, "line")}`,
    characters: "Characters",
    tokens: "Tokens",
    tokensOf: (n: number, v: number) => `${count(n)}, of ${count(v)} kinds`,
    split: "Held back",
    splitOf: (n: number, all: number) => `${count(n)} (${Math.round((100 * n) / all)} %), to test it on`,
    alphabet: (n: number) => `Alphabet: ${n} characters`,
    alphabetLabel: "Alphabet, the most frequent first",
    unseen: (n: number) => `${s(n, "character")} only in the part that is held back`,
    noUnseen: "Every character of the held-back part is in the other, too.",
  },

  model: {
    title: "The model",
    presets: "How long may it take?",
    own: "Own settings",
    preset: presets,
    fields,
    more: "Size and settings",
    char: "Characters",
    byte: "Bytes",
    never: "0: only at the end",
    range: (low: number, high: number) => `From ${figure(low)} to ${count(high)}.`,
    whileTraining: "Fixed while it trains.",
    parameters: "Parameters",
    memory: "Memory",
    perStep: "A step",
    total: "The run",
    about: (seconds: number) => `about ${duration(seconds)}`,
    tokensPerStep: (n: number) => `${count(n)} tokens`,
    measuring: "measuring…",
    unknown: "–",
    refused: "These settings do not fit",
    byPart: "Parameters and memory by part",
    part: "Part",
    sum: "Together",
    bytes: "Bytes",
  },

  device: {
    title: "The machine",
    choose: "Which device trains?",
    cpu: "Processor",
    gpu: "GPU",
    loading: "loading its module behind the page…",
    loadingOwn: "loading…",
    speed: (n: string) => `${n} tokens/s`,
    faster: "faster",
    software: "An imitation of a GPU by the processor, so it is slow.",
    noWebGpu: "This browser has no WebGPU: your processor does the work.",
    noAdapter: "WebGPU offers no adapter here: your processor does the work.",
    gpuFailed: (why: string) =>
      `The GPU module does not work here, so your processor does the work (${why}).`,
    lacks: "What would help and is missing",
    storage: {
      ready: "The run is kept in this browser.",
      other_tab: "Another tab keeps its run, so this one keeps nothing.",
      unavailable: "This browser keeps nothing: take the run home before you close the page.",
    },
    check: "Are its numbers right?",
    checkNow: "Check now",
    checkHelp: "Before the first run on a GPU, its numbers are compared with your processor's.",
    checking: (done: number, of: number) =>
      of > 0 ? `Checking the GPU's numbers: ${done} of ${of}` : "Checking the GPU's numbers",
    passed: "Checked: the numbers are right.",
    notPassed: "Checked: the numbers are wrong. It will not train here.",
    certificate: "Each comparison",
    columns: ["Model", "Loss, error", "Gradient", "Its error", "Result"],
    right: "right",
    wrong: "wrong",
  },

  run: {
    title: "Training",
    states,
    start: "Start",
    startAnew: "Start anew",
    pause: "Pause",
    resume: "Resume",
    step: "One step",
    stop: "Stop",
    save: "Save now",
    goOn: "Continue",
    more: "More steps",
    loading: "Loading the training module…",
    progress: (step: number, steps: number) => `Step ${count(step)} of ${count(steps)}`,
    progressLabel: "Steps taken",
    figures: { step: "Step", loss: "Loss", speed: "Tokens/s", left: "Time left", memory: "Memory" },
    saved: (step: number, b: number, stored: boolean) =>
      `Saved at step ${count(step)} (${bytes(b)})${stored ? "" : ", in this tab's memory only"}.`,
    summary: (step: number, steps: number, train: string, validation: string | null, rate: string) =>
      `Step ${step} of ${steps}. Loss ${train}${validation ? `, validation ${validation}` : ""}. ${rate} tokens per second.`,
    notes: "Remarks",
    before:
      "The curve of its learning appears here: how surprised it is by each next character. Lower is better.",
  },

  chart: {
    title: "Loss by step",
    pictureTitle: (step: number) => `Loss until step ${step}`,
    steps: "step",
    loss: "loss (nats per token)",
    train: "training",
    validation: "validation",
    uniform: "all tokens equally likely (ln V)",
    bigram: "knowing only the token before",
    none: "no figures yet",
    description: (steps: number, from: string, to: string, validation: string | null) =>
      `Loss over ${steps} steps: training from ${from} to ${to}${validation ? `, validation ${validation} at last` : ""}.`,
  },

  later: {
    title: "And then",
    samples: "Read a sample every few steps, from noise to verse.",
    prompt: "Give it the beginning of a text, and it goes on.",
    look: "See its guesses, what surprised it, and where it looks.",
  },

  samples: {
    title: "What it writes",
    slider: "Step of the sample",
    at: (step: number) => `At step ${count(step)}`,
    earlier: "Earlier sample",
    later: "Later sample",
  },

  prompt: {
    title: "Ask it",
    label: "Beginning of a text",
    write: "Go on writing",
    writing: "Writing…",
    stop: "Stop writing",
    temperature: "Temperature",
    temperatureHelp: "Low: the likeliest. High: surprises.",
    tokens: "Tokens",
    topK: "Among the likeliest",
    topKHelp: "0: all of them.",
    example: "ROMEO:",
    output: "What it wrote",
    end: (n: number, end: string) => `${s(n, "token")}${ends[end] ?? ""}.`,
  },

  look: {
    title: "Look inside",
    label: "Text to look at",
    look: "Look at this text",
    looking: "Looking…",
    next: "What comes next?",
    nextHelp: "Its guesses for the next token, at the temperature above.",
    surprise: "What surprised it?",
    surpriseHelp: "The stronger the mark, the less it expected the token.",
    attention: "Where does it look?",
    attentionHelp:
      "For the chosen token: the more a token before it is marked, the more this head looks at it.",
    layer: "Layer",
    head: "Head",
    position: "Token",
    token: "Token",
    loss: "Loss (nats)",
    probability: "Probability",
    weight: "Weight",
    first: "the first has none",
    attentionMap: (layer: number, head: number) =>
      `Attention of layer ${layer}, head ${head}: each row is a token, each column one that it looks at`,
    chosen: (n: number, token: string) => `Token ${n}: ${token}`,
    readout: (token: string, loss: string, p: string) =>
      `${token} came with a loss of ${loss}, a probability of ${p}.`,
    scale: ["expected", "surprising"],
  },

  runs: {
    title: "Your last runs",
    help: "Validation loss of each, or training loss where there is none.",
    chart: "Loss of the last runs by step",
    table: "The runs one by one",
    run: (n: number) => `Run ${n}`,
    same: "the same settings",
    only: (layers: number, width: number) => `${s(layers, "layer")}, width ${width}`,
    columns: ["Run", "What differs", "Steps", "Loss", "Remove"],
    none: "Two runs can be compared here.",
    device: "device",
    text: "text",
    remove: (name: string) => `Remove ${name}`,
  },

  home: {
    title: "Take it home",
    help: "The run is a folder that the native program reads, and this page, too.",
    zip: "Run as zip",
    weights: "Weights (.safetensors)",
    picture: "Picture (.svg)",
    packing: "Packing…",
    command: "Unpack it, and go on natively with",
    copy: "Copy",
    bring: "Bring a run",
    bringHelp: "A folder of hearth train, or a zip from here. You can also drop it anywhere on this page.",
    folder: "Choose a folder",
    file: "Choose a zip",
    manyRuns: (n: number) => `There are ${n} runs in it. Choose the folder of one.`,
    noRunInZip: "The zip holds no run, or more than one: a run has folders named step-N.",
    badZip: (why: string) => `The zip cannot be read (${why}).`,
    noWeights: "There are no weights yet.",
  },

  kept: {
    title: "A run is waiting",
    words: (step: number, parameters: number) =>
      `${s(step, "step")}, a model of ${count(parameters)} parameters`,
    took: (seconds: number) => `, after ${duration(seconds)} of training`,
    stored: "It is kept in this browser.",
    inTab: "It is in this tab.",
    noText: "Its text is not with it: choose the same text, then continue.",
    notPlain: "Its configuration has more in it than this page shows:",
    goOn: (step: number) => `Continue to step ${count(step)}`,
    forget: "Forget it",
  },

  ask: {
    replaceTitle: "Replace the run?",
    replace:
      "A new run takes the place of the one that is kept in this browser. Take that home first if you want it.",
    replaceByImport: "The run that you bring takes the place of the one that is kept in this browser.",
    replaceYes: "Start anew",
    importYes: "Replace it",
    forgetTitle: "Forget the run?",
    forget: "Its checkpoints are removed from this browser. This cannot be undone.",
    forgetYes: "Forget it",
  },

  trouble: {
    kinds: troubles,
    said: "In its own words",
    dismiss: "Dismiss",
    reopening: (n: number, of: number) =>
      `The GPU was lost. Opening it again (${n} of ${of}), from the last checkpoint.`,
    ways: {
      embedded: "Take the embedded text",
      smaller: "Take a small model",
      cpu: "Use the processor",
      goOnOnCpu: "Continue on the processor",
      zip: "Take the run home",
      again: "Load it again",
      saveAgain: "Save again",
      slower: "Start with a third of the learning rate",
    },
  },
};
