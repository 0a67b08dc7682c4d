/** What `kg webhook` answers: reviews of Peers at one path, and at another address how many. */

import { quote } from "../net/text.ts";
import { BodyError, readBody } from "./body.ts";
import { Counter } from "./metrics/counter.ts";
import type { Metric } from "./metrics/exposition.ts";
import { review, type Reviewed, ReviewError } from "./review.ts";

const PATH = "/validate";

/** Bytes; a review holds an object twice, and the API server takes none of more than 3 MiB. */
const LIMIT = 8 * 1024 * 1024;

/** Milliseconds for a body to come; the API server itself waits for 30 s at most. */
const PATIENCE = 10_000;

/** All that a label may say, for its values come from whoever asks. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT", ""];

export interface WebhookOptions {
  /** It was asked, and has this answer. */
  readonly reviewed: (reviewed: Reviewed) => void;
  /** It was asked what it cannot answer. */
  readonly failed: (problem: string) => void;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #reviews = new Counter<"operation" | "response">({
    name: "admission_requests_total",
    help: "Reviews of Peers, by operation and whether the Peer is valid.",
  });
  readonly #requests = new Counter<"handler" | "method">({
    name: "http_requests_total",
    help: "Requests for a review, by path and method.",
  });
  readonly #errors = new Counter<never>({
    name: "errors_total",
    help: "Requests for a review that could not be answered.",
    seen: [{}],
  });

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  get metrics(): Metric[] {
    return [this.#reviews.metric, this.#requests.metric, this.#errors.metric];
  }

  /** Answers a request. */
  async answer(request: Request): Promise<Response> {
    if (pathOf(request) !== PATH) return text("not found", 404);
    this.#requests.add({ handler: PATH, method: oneOf(METHODS, request.method) });
    try {
      checkType(request.headers.get("content-type") ?? "");
      const reviewed = review(await readBody(request, { limit: LIMIT, patience: PATIENCE }));
      this.#reviews.add({
        operation: oneOf(OPERATIONS, reviewed.operation),
        response: reviewed.answer.response.allowed ? "allowed" : "denied",
      });
      this.#options.reviewed(reviewed);
      return Response.json(reviewed.answer);
    } catch (error) {
      if (!(error instanceof ReviewError || error instanceof BodyError)) throw error;
      this.#errors.add({});
      this.#options.failed(error.message);
      return text(error.message, error instanceof BodyError ? error.status : 400);
    }
  }
}

function checkType(type: string): void {
  if (type === "application/json") return;
  throw new ReviewError(`Content-Type is ${quote(type)}, not "application/json"`);
}

/** Without the query, which the API server adds. */
function pathOf({ url }: Request): string | undefined {
  return URL.parse(url)?.pathname;
}

function oneOf(words: readonly string[], word: string): string {
  return words.includes(word) ? word : "other";
}

function text(message: string, status: number): Response {
  return new Response(`${message}\n`, { status });
}
