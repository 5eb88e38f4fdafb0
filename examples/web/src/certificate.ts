// Whether a GPU computes right numbers, asked once for each adapter and version of Hearth.
import type { CertificateInfo, DeviceInfo } from "./messages.ts";
import * as machine from "./machine.ts";
import * as state from "./state.ts";

const keyOf = (device: DeviceInfo) => `hearth-certificate ${device.version} ${device.name}`;

export const remembered = (device: DeviceInfo): CertificateInfo | null => {
  try {
    return JSON.parse(localStorage.getItem(keyOf(device)) ?? "null") as CertificateInfo | null;
  } catch {
    return null;
  }
};

const remember = (device: DeviceInfo, certificate: CertificateInfo) => {
  try {
    localStorage.setItem(keyOf(device), JSON.stringify(certificate));
  } catch {
    // Then it is asked again.
  }
};

/** Compares the numbers now. */
export const ask = async (): Promise<CertificateInfo> => {
  const device = state.machine.value.info!;
  state.certifying.value = { done: 0, of: 0 };
  try {
    const certificate = await machine.certify((reply) => {
      if (reply.type === "progress") state.certifying.value = { done: reply.done, of: reply.of };
    });
    remember(device, certificate);
    state.certificate.value = certificate;
    return certificate;
  } finally {
    state.certifying.value = null;
  }
};

/** Whether the device may train: the processor may, a GPU with a certificate. */
export const isRight = async (): Promise<boolean> => {
  const device = state.machine.value.info;
  if (!device || device.module === "cpu") return true;
  const known = remembered(device);
  state.certificate.value = known ?? state.certificate.value;
  return known?.passed ?? (await ask()).passed;
};
