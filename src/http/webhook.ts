/** What `kg webhook` answers: reviews of Peers at one path, and at another address how many. */

import { startTimer } from "../async/background.ts";
import { quote } from "../net/text.ts";
import type { Metric } from "./metrics/exposition.ts";
import { Tally } from "./metrics/tally.ts";
import { review, type Reviewed, ReviewError } from "./review.ts";
import { Budget } from "./server/budget.ts";
import {
  HttpError,
  type HttpRequest,
  type HttpResponse,
  jsonResponse,
  textResponse,
} from "./server/message.ts";

const PATH = "/validate";

/** Bytes; a review holds an object twice, and the API server takes none of more than 3 MiB. */
const LIMIT = 8 * 1024 * 1024;

/** Bytes of all bodies that are being read, but for those of up to 64 KiB. */
const LIMIT_TOGETHER = 2 * LIMIT;

/** Milliseconds for a body to come; the API server itself waits for 30 s at most. */
const BODY_TIMEOUT = 10_000;

/** All that a label may say, for its values come from whoever asks. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT", ""];

/** Characters of a body that takes so much memory that it is given back at once. */
const LARGE = 1024 * 1024;

export interface WebhookOptions {
  /** Gives back memory that is not needed any more. */
  readonly trimMemory: () => void;
  /** It was asked, and has this answer. */
  readonly reviewed: (reviewed: Reviewed) => void;
  /** It was asked what it cannot answer. */
  readonly failed: (problem: string) => void;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #budget = new Budget(LIMIT_TOGETHER);
  #isTrimming = false;
  readonly #reviews = new Tally<"operation" | "response">({
    name: "admission_requests_total",
    help: "Reviews of Peers, by operation and whether the Peer is valid.",
  });
  readonly #requests = new Tally<"handler" | "method">({
    name: "http_requests_total",
    help: "Requests for a review, by path and method.",
  });
  readonly #errors = new Tally<never>({
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
  async answer(request: HttpRequest): Promise<HttpResponse> {
    if (request.path !== PATH) return textResponse(404, "not found");
    this.#requests.add({ handler: PATH, method: oneOf(METHODS, request.method) });
    try {
      checkType(request.header("content-type"));
      const text = await request.text({
        ...{ limit: LIMIT, timeout: BODY_TIMEOUT, budget: this.#budget },
      });
      if (text.length > LARGE) this.#trimSoon();
      const reviewed = review(text);
      this.#reviews.add({
        operation: oneOf(OPERATIONS, reviewed.operation),
        response: reviewed.answer.response.allowed ? "allowed" : "denied",
      });
      this.#options.reviewed(reviewed);
      return jsonResponse(200, reviewed.answer);
    } catch (error) {
      if (!(error instanceof ReviewError || error instanceof HttpError)) throw error;
      this.#errors.add({});
      this.#options.failed(error.message);
      return textResponse(error instanceof HttpError ? error.status : 400, error.message);
    }
  }

  /** When the review is done. */
  #trimSoon(): void {
    if (this.#isTrimming) return;
    this.#isTrimming = true;
    startTimer(0, "trim memory", () => {
      this.#isTrimming = false;
      this.#options.trimMemory();
    });
  }
}

function checkType(type: string): void {
  if (type === "application/json") return;
  throw new ReviewError(`Content-Type is ${quote(type)}, not "application/json"`);
}

function oneOf(words: readonly string[], word: string): string {
  return words.includes(word) ? word : "other";
}
