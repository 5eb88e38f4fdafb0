import { TeachableLLM, tokenise } from "@genai-fi/nanogpt";

/** genai-nanogpt's own training job, with its own optimiser; seconds and numbers of the steps that it logs. */
export const nanogpt = async (backend, settings, text, limit) => {
  const { layers, width, heads, context_length, batch, steps } = settings;
  await TeachableLLM.selectBackend(backend);
  const alphabet = [...new Set(text)].sort();
  const tokeniser = new tokenise.CharTokeniser([...alphabet, "<eos>"]);
  const model = TeachableLLM.create(tokeniser, {
    modelType: "GenAI_NanoGPT_v1",
    useRope: true,
    vocabSize: alphabet.length + 1,
    blockSize: context_length,
    nLayer: layers,
    nHead: heads,
    nEmbed: width,
    mlpFactor: 4,
  });
  await new Promise((resolve, reject) => {
    model.on("error", reject);
    const look = () => (model.ready ? resolve() : setTimeout(look, 20));
    look();
  });
  const tokens = Uint16Array.from(tokeniser.encode(text));
  const at = [];
  const marks = [];
  await new Promise((resolve, reject) => {
    let id;
    let start;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      if (id) model.training.cancel(id);
      resolve();
    };
    model.training.on("error", (_, error) => reject(error));
    model.training.on("completed", () => end());
    model.training.on("progress", (job) => {
      const now = performance.now();
      start ??= now;
      const { step, trainingMetrics } = job.history.at(-1);
      marks.push({ step, at: Date.now() });
      at.push({ step, seconds: (now - start) / 1000, loss: trainingMetrics.loss });
      if (at.length > 3 && (step >= steps || now - start > limit)) end();
    });
    model.training
      .job(
        {
          method: { type: "pretraining" },
          batchSize: batch,
          logInterval: 200,
          maxEpochs: 100,
          learningRate: 1e-3,
          metrics: [],
        },
        [tokens],
        [{ id: "text", name: "text" }],
      )
      .then((job) => (id = job.id), reject);
  });
  return { at, marks, losses: at.map(({ loss }) => loss), parameters: model.getNumParams() };
};
