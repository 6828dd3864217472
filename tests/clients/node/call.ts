// Calls every function of the tests by the generated client; prints what came back as JSON.
import { createClient } from "./grid/client";
import { listTasks, submit, submitToFunction } from "./grid/sdk.gen";
import type { NestedInput, Submission, TreeInput } from "./grid/types.gen";

declare const process: { argv: string[]; exitCode: number };

const [url, key] = process.argv.slice(2);
const client = createClient({ baseUrl: url, auth: () => key });

async function run(name: string, input: Submission["input"]): Promise<unknown> {
  const { data, error } = await submit({
    client,
    body: { function: name as Submission["function"], input },
  });
  if (data === undefined || !("result" in data)) throw new Error(JSON.stringify(error ?? data));
  return data.result;
}

async function main(): Promise<void> {
  const nested: NestedInput = {
    person: { name: "Ann", addresses: [{ street: "High Street" }], colour: "dark red", level: 2 },
    address: { street: "High Street" },
    kind: 1,
    odd: "a_b",
  };
  const tree: TreeInput = { tree: { value: 1, children: [{ value: 2 }], next: { value: 3 } } };
  const byPath = await submitToFunction({ client, path: { name: "a/b" }, body: { value: 8 } });
  const refused = await submit({ client, body: { function: "tree" } });
  const listed = await listTasks({ client, query: { limit: 2 } });
  const answers = {
    nested: await run("nested", nested),
    tree: await run("tree", tree),
    Task: await run("Task", { input: "y" }),
    "a/b": await run("a/b", { value: 7 }),
    a_b: await run("a_b", { value: "z" }),
    by_path: byPath.data && "result" in byPath.data ? byPath.data.result : byPath.error,
    refused: refused.error?.status,
    listed: listed.data?.tasks.length,
  };
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
