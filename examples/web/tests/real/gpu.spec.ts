// With WebGPU. The adapter of a machine without a GPU is SwiftShader, for which the model here is as small as models get.
import type { Page } from "@playwright/test";
import type { CertificateInfo } from "../../src/messages.ts";
import { button, expect, finish, hash, losses, open, said, state, stepNow, test } from "./helpers.ts";

const TINY = { l: 1, w: 32, h: 4, c: 16, b: 4, n: 10, e: 0, a: 0, k: 0 };
const gpu = (page: Page) => page.getByRole("radio", { name: /^GPU/ });
const cpu = (page: Page) => page.getByRole("radio", { name: /^Processor/ });

/** Runs in each worker before its module is there, and keeps the device where a test can break it. */
const inWorkers = (page: Page, code: string) =>
  page.addInitScript((code) => {
    const Native = window.Blob;
    window.Blob = class extends Native {
      constructor(parts: BlobPart[] = [], options?: BlobPropertyBag) {
        super(options?.type === "text/javascript" ? [...parts, code] : parts, options);
      }
    };
  }, code);

const KEEP_DEVICE = `
  if (self.GPUAdapter) {
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (wanted) {
      return (self.device = await requestDevice.call(this, wanted));
    };
  }`;

/** The worker that trains on the GPU, from within. */
const trainer = async (page: Page) => {
  for (const worker of page.workers().reverse()) {
    if ((await worker.evaluate(() => self.name)) === "gpu") return worker;
  }
  throw new Error("no worker trains on the GPU");
};

type Device = { device: { destroy(): void; createBuffer(d: object): object } };

/** Chooses the GPU; its certificate is taken as known, which one test asks for. */
const choose = async (page: Page, known = true) => {
  await expect(gpu(page)).toBeEnabled({ timeout: 30_000 });
  await gpu(page).check();
  await expect.poll(async () => (await said(page, "ready")).length, { timeout: 60_000 }).toBe(2);
  const { device } = (await said(page, "ready"))[1]!;
  expect(device.module).toBe("gpu");
  if (known) {
    const certificate: CertificateInfo = { passed: true, rows: [] };
    await page.evaluate(
      ([key, value]) => localStorage.setItem(key!, value!),
      [`hearth-certificate ${device.version} ${device.name}`, JSON.stringify(certificate)],
    );
  }
  await expect(state(page)).toHaveText("Ready to train");
};

test("loads clean, says that the GPU is an imitation, and takes the processor by timing both", async ({
  page,
  context,
}) => {
  await open(page, hash(TINY));
  await expect(page.getByText("An imitation of a GPU by the processor, so it is slow.")).toBeVisible({
    timeout: 30_000,
  });
  await expect(page.locator(".choice").getByText("tokens/s")).toHaveCount(2, { timeout: 60_000 });
  await expect(page.locator(".choice").filter({ has: cpu(page) })).toContainText("faster");
  await expect(cpu(page)).toBeChecked();
  await page.waitForLoadState("networkidle");
  const requests: string[] = [];
  context.on("request", (request) => requests.push(request.url()));
  await button(page, "Start").click();
  await finish(page);
  expect(requests).toEqual([]);
});

test("computes right numbers: the certificate, and ten steps beside the processor's", async ({ page }) => {
  test.setTimeout(400_000);
  await open(page, hash(TINY));
  await button(page, "Start").click();
  await finish(page);
  const onProcessor = await losses(page);
  await page.evaluate(() => window.said.splice(1));
  await choose(page, false);
  await button(page, "Start").click();
  await page.getByRole("dialog").getByRole("button", { name: "Start anew" }).click();
  await expect(state(page)).toHaveText(/Checking the GPU's numbers/);
  await expect(page.getByText("Checked: the numbers are right.")).toBeVisible({ timeout: 300_000 });
  await expect(state(page)).toHaveText("Done", { timeout: 90_000 });
  const onGpu = await losses(page);
  expect([...onGpu.keys()]).toEqual([...onProcessor.keys()]);
  const differences = [...onGpu].map(([step, loss]) => Math.abs(loss - onProcessor.get(step)!));
  const { device } = (await said(page, "ready"))[1]!;
  const most = Math.max(...differences);
  test.info().annotations.push({ type: device.name, description: `losses differ by ${most} at most` });
  expect(most).toBeLessThan(1e-4);
  await button(page, "Go on writing").click();
  await expect(page.getByRole("region", { name: "What it wrote" })).not.toBeEmpty({ timeout: 60_000 });
});

test("a device that is destroyed is opened again, and the run goes on from its checkpoint", async ({
  page,
}) => {
  await inWorkers(page, KEEP_DEVICE);
  await open(page, hash({ ...TINY, n: 1000, k: 2 }));
  await choose(page);
  await button(page, "Start").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible({ timeout: 60_000 });
  const at = (await said(page, "saved")).at(-1)!.step;
  const worker = await trainer(page);
  await worker.evaluate(() => (self as unknown as Device).device.destroy());
  await expect(page.getByText("Opening it again (1 of 3)")).toBeVisible({ timeout: 30_000 });
  await expect(state(page)).toHaveText("Training", { timeout: 60_000 });
  expect(await stepNow(page)).toBeGreaterThanOrEqual(at);
  await expect.poll(() => stepNow(page), { timeout: 30_000 }).toBeGreaterThan(at + 2);
  await button(page, "Stop").click();
  await expect(state(page)).toHaveText("Done", { timeout: 30_000 });
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("an error that the GPU reports ends the run in words, and the processor goes on with it", async ({
  page,
  quiet,
}) => {
  await inWorkers(page, KEEP_DEVICE);
  await open(page, hash({ ...TINY, n: 1000, k: 2 }));
  await choose(page);
  await button(page, "Start").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible({ timeout: 60_000 });
  const worker = await trainer(page);
  // To be mapped for reading and for writing at once is against the rules.
  await worker.evaluate(
    () => void (self as unknown as Device).device.createBuffer({ size: 16, usage: 0x1 | 0x2 }),
  );
  const alert = page.getByRole("alert");
  await expect(alert).toContainText("The GPU reported an error", { timeout: 30_000 });
  await expect(alert).toContainText(/usage/i);
  await expect(state(page)).toHaveText("Stopped by a problem");
  const at = (await said(page, "saved")).at(-1)!.step;
  await alert.getByRole("button", { name: "Continue on the processor" }).click();
  await expect(cpu(page)).toBeChecked();
  await expect(state(page)).toHaveText("Training", { timeout: 30_000 });
  await expect.poll(() => stepNow(page), { timeout: 30_000 }).toBeGreaterThan(at);
  quiet.length = 0;
});

// What WebGPU promises of any device.
const DEFAULT_LIMITS = {
  maxTextureDimension1D: 8192,
  maxTextureDimension2D: 8192,
  maxTextureDimension3D: 2048,
  maxTextureArrayLayers: 256,
  maxBindGroups: 4,
  maxBindGroupsPlusVertexBuffers: 24,
  maxBindingsPerBindGroup: 1000,
  maxDynamicUniformBuffersPerPipelineLayout: 8,
  maxDynamicStorageBuffersPerPipelineLayout: 4,
  maxSampledTexturesPerShaderStage: 16,
  maxSamplersPerShaderStage: 16,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageTexturesPerShaderStage: 4,
  maxUniformBuffersPerShaderStage: 12,
  maxUniformBufferBindingSize: 65536,
  maxStorageBufferBindingSize: 134217728,
  minUniformBufferOffsetAlignment: 256,
  minStorageBufferOffsetAlignment: 256,
  maxVertexBuffers: 8,
  maxBufferSize: 268435456,
  maxVertexAttributes: 16,
  maxVertexBufferArrayStride: 2048,
  maxInterStageShaderVariables: 16,
  maxColorAttachments: 8,
  maxColorAttachmentBytesPerSample: 32,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
};

test("the limits that every device has are enough", async ({ page }) => {
  await inWorkers(
    page,
    `if (self.GPUAdapter) {
      const least = ${JSON.stringify(DEFAULT_LIMITS)};
      const { requestDevice } = GPUAdapter.prototype;
      const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "limits");
      Object.defineProperty(GPUAdapter.prototype, "limits", {
        get() {
          return new Proxy(get.call(this), { get: (limits, name) => least[name] ?? limits[name] });
        },
      });
      GPUAdapter.prototype.requestDevice = async function (wanted) {
        const requiredLimits = Object.fromEntries(
          Object.entries(wanted.requiredLimits ?? {}).map(([name, limit]) => [name, least[name] ?? limit]),
        );
        return (self.device = await requestDevice.call(this, { ...wanted, requiredLimits, requiredFeatures: [] }));
      };
    }`,
  );
  await open(page, hash({ ...TINY, n: 3 }));
  await button(page, "Start").click();
  await finish(page);
  const onProcessor = await losses(page);
  await page.evaluate(() => window.said.splice(1));
  await choose(page);
  await button(page, "Start").click();
  await page.getByRole("dialog").getByRole("button", { name: "Start anew" }).click();
  await expect(state(page)).toHaveText("Done", { timeout: 90_000 });
  const granted = await (
    await trainer(page)
  ).evaluate(() => {
    const { limits } = (self as unknown as { device: { limits: Record<string, number> } }).device;
    return [limits.maxStorageBuffersPerShaderStage, limits.maxComputeInvocationsPerWorkgroup];
  });
  expect(granted).toEqual([8, 256]);
  for (const [step, loss] of await losses(page))
    expect(Math.abs(loss - onProcessor.get(step)!)).toBeLessThan(1e-4);
});
