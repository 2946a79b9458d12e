import { access, stars } from "../../infra/access.ts";
import { componentName, functionList } from "../../infra/function-list.ts";
import { type Graph, type Statement, statementsOf } from "./graph.ts";

/** The table of permissions, from the graph: function, actions, resources; below it what many have in common, and the stars. */
export function permissionTable(graph: Graph): string {
  const roles = new Map(graph.of("aws:iam/role:Role").map((role) => [role.name, role]));
  const allowed = functionList.map(({ file }) => {
    const role = roles.get(`${componentName(file)}Role`);
    return { file, statements: role ? statementsOf(role).filter(({ effect }) => effect === "Allow") : [] };
  });
  const rows = allowed.flatMap(({ file, statements }) => {
    const own = statements.filter(({ actions }) => !/^(logs|ec2):/.test(actions[0] ?? ""));
    const lines = own.map((it) => [grouped(it.actions), it.resources.map(shortened).join(", ")]);
    return (lines.length > 0 ? lines : [["–", ""]]).map((line, index) => [index === 0 ? file : "", ...line]);
  });
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [first, second] = [width(0), width(1)];
  const table = rows.map(([file = "", actions = "", resources = ""]) =>
    `${file.padEnd(first)}  ${actions.padEnd(second)}  ${resources}`.trimEnd(),
  );

  /** What functions have of one service, and which of them. */
  const shared = (service: string) => {
    const isShared = ({ actions }: Statement) => actions[0]?.startsWith(`${service}:`) ?? false;
    const having = allowed.filter(({ statements }) => statements.some(isShared));
    const sample = having[0]?.statements.find(isShared);
    return { files: having.map(({ file }) => file), actions: grouped(sample?.actions ?? []) };
  };
  const logs = shared("logs");
  const network = shared("ec2");
  return [
    ...table,
    "",
    `${logs.actions} on its own log group: each of the ${logs.files.length}.`,
    `${network.actions} on *: the ${network.files.length} that reach Redis, and denied to their own code.`,
    "",
    "Stars, each with its reason:",
    ...stars.map(({ actions, why }) => `  ${grouped(actions)}: ${why}`),
    "",
    "Allowed less than their code could ask for:",
    ...Object.entries(access).flatMap(([file, { narrowed }]) => (narrowed ? [`  ${file}: ${narrowed}`] : [])),
  ].join("\n");
}

/** `dynamodb: GetItem Query`: the service once. */
function grouped(actions: readonly string[]): string {
  const [service = ""] = (actions[0] ?? "").split(":");
  return `${service}: ${actions.map((action) => action.slice(service.length + 1)).join(" ")}`;
}

const shortened = (arn: string) => arn.split(":").slice(5).join(":") || arn;
