// A worker as the page sees it: requests that are answered become promises, everything else goes to a listener.
import type { Reply, Request, Trouble } from "./messages.ts";
import { spawn } from "./spawn.ts";

type Answers = {
  text: "text";
  plan: "plan";
  probe: "probe";
  certify: "certificate";
  import: "run";
  export: "files";
  forget: "run";
  generate: "generated";
  look: "looked";
};
type Asked = keyof Answers;
type Of<U extends { type: string }, T extends string> = Extract<U, { type: T }>;
export type Command = Exclude<Request, { type: Asked }>;
/** A request before the client has numbered it. */
export type Question<T extends Asked> = { type: T } & Omit<Of<Request, T>, "id" | "type">;
export type Answer<T extends Asked> = Of<Reply, Answers[T]> & { parts: Uint8Array[] };
export type Ready = Of<Reply, "ready">;
/** What comes between a request and its answer. */
export type Between = (reply: Reply) => void;

/** A trouble that answered a request. */
export class Refusal extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble.words);
  }
}

type Pending = { resolve(answer: never): void; reject(reason: Error): void; between?: Between };

// Ids are never used twice, so that a late answer of a worker that was replaced finds nobody.
let nextId = 1;

export class Client {
  readonly ready: Promise<Ready>;
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private settleReady!: { resolve(ready: Ready): void; reject(reason: Error): void };
  private ended = false;

  constructor(
    readonly name: string,
    private readonly listen: (reply: Reply) => void,
  ) {
    this.ready = new Promise((resolve, reject) => (this.settleReady = { resolve, reject }));
    // Whoever opened the worker may not be waiting for it any more.
    this.ready.catch(() => {});
    this.worker = spawn(name);
    this.worker.onmessage = ({ data }) => this.hear(data.reply as Reply, data.parts as Uint8Array[]);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.fail(event.message || "the worker could not be loaded");
    };
  }

  send(command: Command) {
    this.worker.postMessage({ request: command, parts: [] });
  }

  ask<T extends Asked>(
    question: Question<T>,
    parts: Uint8Array[] = [],
    between?: Between,
  ): { id: number; answer: Promise<Answer<T>> } {
    const id = nextId++;
    const answer = new Promise<Answer<T>>((resolve, reject) => {
      if (this.ended) return reject(new Error("the worker has ended"));
      this.pending.set(id, { resolve, reject, between });
      const transfer = parts.map((part) => part.buffer as ArrayBuffer);
      this.worker.postMessage({ request: { ...question, id }, parts }, transfer);
    });
    return { id, answer };
  }

  end() {
    this.ended = true;
    this.worker.terminate();
    this.reject(new Error("the worker has ended"));
  }

  private reject(reason: Error) {
    this.settleReady.reject(reason);
    for (const { reject } of this.pending.values()) reject(reason);
    this.pending.clear();
  }

  private fail(words: string) {
    if (this.ended) return;
    // Nothing that it would do after this counts: it must not store what it computes.
    this.ended = true;
    this.worker.terminate();
    const trouble: Trouble = { id: null, kind: "internal", words, can_continue: false };
    this.reject(new Refusal(trouble));
    this.listen({ type: "trouble", trouble });
  }

  private hear(reply: Reply, parts: Uint8Array[]) {
    if (this.ended) return;
    if (reply.type === "ready") this.settleReady.resolve(reply);
    if (reply.type === "trouble" && reply.trouble.kind === "large_module" && reply.trouble.id === null) {
      return this.settleReady.reject(new Refusal(reply.trouble));
    }
    if (reply.type === "trouble" && reply.trouble.kind === "internal" && reply.trouble.id === null) {
      return this.fail(reply.trouble.words);
    }
    const id = reply.type === "trouble" ? reply.trouble.id : "id" in reply ? reply.id : null;
    const pending = id === null ? undefined : this.pending.get(id);
    if (id !== null && pending === undefined && reply.type !== "trouble") return;
    if (!pending) return this.listen(reply);
    if (reply.type === "token" || reply.type === "progress") return pending.between?.(reply);
    this.pending.delete(id!);
    if (reply.type === "trouble") pending.reject(new Refusal(reply.trouble));
    else pending.resolve({ ...reply, parts } as never);
  }
}
