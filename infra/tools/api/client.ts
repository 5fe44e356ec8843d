// A small client, written with the types that openapi-typescript makes. It is compiled, not run:
// what it uses must exist, with the type that it has here.
import type { components, operations, paths } from "./api";

type Contact = components["schemas"]["Contact"];
type Problem = components["schemas"]["Problem"];
type Document = components["schemas"]["CampaignDocument"];

type Json<Operation, Status extends number> = Operation extends {
  responses: { [status in Status]: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;
type Refused<Operation, Status extends number> = Operation extends {
  responses: { [status in Status]: { content: { "application/problem+json": infer Body } } };
}
  ? Body
  : never;
type Body<Operation> = Operation extends {
  requestBody?: { content: { "application/json": infer Sent } };
}
  ? Sent
  : never;

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`https://dacapo.example${path}`, {
    method,
    headers: { Authorization: "Bearer key", "Content-Type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!response.ok) {
    const problem = (await response.json()) as Problem;
    throw new Error(problem.errors.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  }
  return (await response.json()) as T;
}

export async function everybody(tag: string): Promise<Contact[]> {
  const contacts: Contact[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: NonNullable<operations["contacts_list"]["parameters"]["query"]> = { tag, limit: 200, cursor };
    const asked = new URLSearchParams(
      Object.entries(query).map(([name, value]) => [name, String(value)]),
    ).toString();
    const page: Json<operations["contacts_list"], 200> = await call("GET", `/v1/contacts?${asked}`);
    for (const item of page.items) {
      // A contact whose item was damaged by hand is listed with its id and why.
      if ("unreadable" in item) {
        console.error(`${item.id}: ${item.unreadable}`);
      } else {
        contacts.push(item);
      }
    }
    cursor = page.next_cursor;
  }
  return contacts;
}

export async function booked(email: string, appointment: string): Promise<string[]> {
  const post: Body<operations["hooks_contact"]> = {
    email,
    tags: ["Appointment made"],
    fields: { appointment, seats: 2, vip: true },
  };
  const answer: Json<operations["hooks_contact"], 200> = await call("POST", "/v1/hooks/contact", post);
  return answer.changed.tags_added;
}

export async function stopped(campaigns: string[]): Promise<number> {
  const stop: Body<operations["mass_actions_stop_campaign"]> = {
    campaigns,
    contacts: { tag: "Lead" },
    reset_contacts: true,
  };
  const everywhere: Body<operations["mass_actions_stop_campaign"]> = {
    campaigns: "all",
    contacts: "enrolled",
  };
  const one: Json<operations["mass_actions_stop_campaign"], 202> = await call(
    "POST",
    "/v1/mass-actions/stop-campaign",
    stop.campaigns.length > 0 ? stop : everywhere,
  );
  return one.total;
}

// The members of a document, of an element, and of an e-mail are known.
export const welcome: Document = {
  id: "welcome",
  name: "Welcome",
  elements: {
    lead: { type: "start", when: { tag: "Lead" }, next: "hello" },
    hello: { type: "email", email: "hello", next: "rest" },
    rest: { type: "wait", for: "2 days" },
  },
  emails: { hello: { subject: "Hello", text: "Dear {{ contact.first_name }}" } },
};

export async function published(): Promise<number> {
  const saved: Json<operations["campaigns_put"], 200> = await call("PUT", "/v1/campaigns/welcome", welcome);
  if (saved.problems.some(({ severity }) => severity === "error")) {
    return 0;
  }
  const how: Body<operations["campaigns_publish"]> = { enroll_existing: true };
  const version: Json<operations["campaigns_publish"], 200> = await call(
    "POST",
    "/v1/campaigns/welcome/publish",
    how,
  );
  return version.version;
}

export async function whereIs(id: string): Promise<string[]> {
  const page: Json<operations["contacts_enrollments_list"], 200> = await call(
    "GET",
    `/v1/contacts/${id}/enrollments`,
  );
  return page.items.map(({ campaign, status, paused_since }) =>
    status === "active" && paused_since ? `${campaign}: paused since ${paused_since}` : campaign,
  );
}

// Every refusal is a problem; a call that does not exist is a mistake.
export const invalid = (problem: Refused<operations["contacts_create"], 422>): Problem => problem;
export const limited = (problem: Refused<operations["contacts_list"], 401>): string => problem.detail;
// @ts-expect-error: contacts are not put.
export type Nothing = paths["/v1/contacts"]["put"]["responses"];
