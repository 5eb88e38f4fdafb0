// A GPT on TensorFlow.js: learned positions, layer norms, causal attention, GELU, the embedding's matrix for the head, Adam.
// Written for speed there: one product for queries, keys and values, one softmax cross entropy, no value read but the loss.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";

export const gpt = ({ layers, width, heads, context, batch, vocabulary, lookUp, explicit }) => {
  const D = width / heads;
  const rows = batch * context;
  const variables = [];
  const own = (value) => {
    const variable = tf.variable(value);
    variables.push(variable);
    return variable;
  };
  const normal = (shape, std = 0.05) => own(tf.randomNormal(shape, 0, std));
  const zeros = (n) => own(tf.zeros([n]));
  const ones = (n) => own(tf.ones([n]));
  const norm = () => ({ gain: ones(width), bias: zeros(width) });
  const embedding = normal([vocabulary, width]);
  const positions = normal([context, width]);
  const blocks = Array.from({ length: layers }, () => ({
    first: norm(),
    second: norm(),
    qkv: normal([width, 3 * width]),
    qkvBias: zeros(3 * width),
    out: normal([width, width], 0.05 / Math.sqrt(2 * layers)),
    outBias: zeros(width),
    up: normal([width, 4 * width]),
    upBias: zeros(4 * width),
    down: normal([4 * width, width], 0.05 / Math.sqrt(2 * layers)),
    downBias: zeros(width),
  }));
  const last = norm();
  const mask = tf.tidy(() => {
    const line = tf.range(0, context);
    return tf.where(line.expandDims(1).less(line.expandDims(0)), tf.scalar(-1e9), tf.scalar(0));
  });

  const layerNorm = (x, { gain, bias }) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(gain).add(bias);
  };
  const gelu = (x) =>
    x.mul(0.5).mul(
      x
        .mul(x.mul(x).mul(0.044715).add(1))
        .mul(Math.sqrt(2 / Math.PI))
        .tanh()
        .add(1),
    );
  // On wasm a product with a transposed operand, as gradients are, leaves the fast path: there operands are transposed first.
  const linear = explicit
    ? tf.customGrad((x, weight, save) => {
        save([x, weight]);
        const gradFunc = (dy, [x, weight]) => [dy.matMul(weight.transpose()), x.transpose().matMul(dy)];
        return { value: x.matMul(weight), gradFunc };
      })
    : (x, weight) => x.matMul(weight);
  const headsOf = (x) => x.reshape([batch, context, heads, D]).transpose([0, 2, 1, 3]);
  const attention = (x, block) => {
    const [q, k, v] = tf.split(linear(x, block.qkv).add(block.qkvBias), 3, -1).map(headsOf);
    const scores = tf
      .matMul(q, k, false, true)
      .mul(1 / Math.sqrt(D))
      .add(mask);
    const mixed = tf.matMul(tf.softmax(scores), v).transpose([0, 2, 1, 3]).reshape([rows, width]);
    return linear(mixed, block.out).add(block.outBias);
  };
  const mlp = (x, block) =>
    linear(gelu(linear(x, block.up).add(block.upBias)), block.down).add(block.downBias);
  const logits = (ids) => {
    const flat = ids.reshape([rows]);
    // Where a backend lacks the gradient of looking up, a product with rows of zeros and ones does it.
    const tokens = lookUp
      ? tf.gather(embedding, flat)
      : linear(tf.oneHot(flat, vocabulary).toFloat(), embedding);
    let x = tokens.reshape([batch, context, width]).add(positions).reshape([rows, width]);
    for (const block of blocks) {
      x = x.add(attention(layerNorm(x, block.first), block));
      x = x.add(mlp(layerNorm(x, block.second), block));
    }
    const normed = layerNorm(x, last);
    return explicit ? linear(normed, embedding.transpose()) : tf.matMul(normed, embedding, false, true);
  };
  const optimizer = tf.train.adam(1e-3, 0.9, 0.99);
  /** One update; the loss, not yet read. */
  const step = (inputs, targets) =>
    tf.tidy(() => {
      const x = tf.tensor2d(inputs, [batch, context], "int32");
      const labels = tf.oneHot(tf.tensor1d(targets, "int32"), vocabulary).toFloat();
      const loss = () => tf.losses.softmaxCrossEntropy(labels, logits(x));
      return optimizer.minimize(loss, true, variables);
    });
  return { step, parameters: variables.reduce((sum, { size }) => sum + size, 0) };
};
