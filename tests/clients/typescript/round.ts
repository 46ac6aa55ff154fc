// A whole round with a client of openapi-typescript and openapi-fetch: submit, list, stream, talk, cancel, diff, artifact.
import createClient from "openapi-fetch";
import type { components, paths } from "./berth.js";

type Run = components["schemas"]["Run"];

const variable = (name: string): string => process.env[name] ?? fail(`${name} is not set`);
const fail = (why: string): never => {
  throw new Error(why);
};
const pause = () => new Promise((done) => setTimeout(done, 200));

const berth = createClient<paths>({
  baseUrl: variable("BERTH_URL"),
  headers: { Authorization: `Bearer ${variable("BERTH_TOKEN")}` },
});
const repository = variable("BERTH_REPOSITORY");

async function submit(message: string): Promise<string> {
  const { data, error } = await berth.POST("/api/v1/runs", {
    body: { workflow: "implement", message, repository, maxTokens: 5_000_000_000, labels: { client: "typescript" } },
  });
  return data?.id ?? fail(JSON.stringify(error));
}

async function until(id: string, holds: (run: Run) => boolean): Promise<Run> {
  for (;;) {
    const { data } = await berth.GET("/api/v1/runs/{id}", { params: { path: { id } } });
    if (data && holds(data)) return data;
    await pause();
  }
}

const first = await submit(variable("BERTH_FIRST"));
const { data: page } = await berth.GET("/api/v1/runs", {
  params: { query: { label: ["client=typescript"], state: ["queued", "preparing", "running", "succeeded"] } },
});
if (!page?.runs.some((run) => run.id === first)) fail("the run is not in the list");

const { data: events } = await berth.GET("/api/v1/runs/{id}/events", {
  params: { path: { id: first } },
  headers: { Accept: "text/event-stream" },
  parseAs: "text",
});
if (!events?.includes("run_finished")) fail("the stream does not come to its end");
const ended = await until(first, (run) => run.finishedAt !== null && run.cleanup.state !== "pending");
if (ended.state !== "succeeded" || ended.maxTokens !== 5_000_000_000) fail(JSON.stringify(ended));

const { data: diff } = await berth.GET("/api/v1/runs/{id}/diff", {
  params: { path: { id: first } },
  headers: { Accept: "application/json" },
});
if (typeof diff !== "object" || diff.filesChanged[0]?.path !== "hello.txt") fail(JSON.stringify(diff));

const { data: artifacts } = await berth.GET("/api/v1/runs/{id}/artifacts", { params: { path: { id: first } } });
if (!artifacts?.some((one) => one.name === "files/a/b.txt")) fail(JSON.stringify(artifacts));
const { data: artifact } = await berth.GET("/api/v1/runs/{id}/artifacts/{artifact}", {
  params: { path: { id: first, artifact: "files/a/b.txt" } },
  parseAs: "text",
});
if (artifact !== "left\n") fail(`the artifact is ${artifact}`);

const second = await submit(variable("BERTH_SECOND"));
await until(second, (run) => run.state === "running");
for (;;) {
  const { data, response } = await berth.POST("/api/v1/runs/{id}/messages", {
    params: { path: { id: second } },
    body: { message: "Hurry.", priority: "later" },
  });
  if (data?.runId === second) break;
  if (response.status !== 409) fail(`the message: ${response.status}`);
  await pause();
}
await berth.POST("/api/v1/runs/{id}/cancel", { params: { path: { id: second }, query: { force: true } } });
await until(second, (run) => run.state === "cancelled");

const { error: problem } = await berth.GET("/api/v1/runs/{id}", { params: { path: { id: "nosuchrun" } } });
if (problem?.code !== "run_not_found") fail(JSON.stringify(problem));
console.log("round");
