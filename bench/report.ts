/** The figures as tables: on the terminal and in Markdown. */

import type { Size } from "./cluster.ts";
import type { MeshFigures, QuietFigures } from "./mesh.ts";
import type { ProgramFigures } from "./program.ts";
import type { CheckInFigures, ScaleFigures } from "./scale.ts";
import { combine, median, megabytes, rounded, type Samples, spread } from "./statistics.ts";

/** Whatever was measured. */
export interface Figures {
  readonly meshes: readonly MeshFigures[];
  readonly quiet: readonly QuietFigures[];
  readonly scale: ScaleFigures | undefined;
  readonly program: ProgramFigures | undefined;
}

export interface Table {
  readonly title: string;
  /** The first row is the head. */
  readonly rows: readonly (readonly string[])[];
}

export function nameOf({ kind, count }: Size): string {
  return `${kind}-${count}`;
}

/** A table for each thing that was measured. */
export function tables({ meshes, quiet, scale, program }: Figures): Table[] {
  return [
    ...meshes.length > 0 ? [startTable(meshes), shareTable(meshes), changeTable(meshes)] : [],
    ...quiet.length > 0 ? [quietTable(quiet)] : [],
    ...scale ? [scaleTable(scale)] : [],
    ...program ? [programTable(program)] : [],
  ];
}

/** Samples of the same runs, in order. */
function startSamples({ starts: { kg, tools } }: MeshFigures) {
  const ip = tools.map((times) => times.ip);
  const nft = tools.map((times) => times.nft);
  const wg = tools.map((times) => times.wg);
  const ipAndNft = combine(ip, nft, (a, b) => a + b);
  return {
    ...{ ip, nft, wg, ipAndNft, all: combine(ipAndNft, wg, (a, b) => a + b) },
    wall: kg.map((start) => start.wall),
    own: kg.map((start) => start.own),
    cpu: kg.map((start) => start.cpu),
  };
}

function startTable(meshes: readonly MeshFigures[]): Table {
  return {
    title: "From exec to converged, in ms, and what the tools take to load the same state",
    rows: [
      ["mesh", "kg", "ip -batch", "nft -f", "wg setconf", "kg ÷ tools"],
      ...meshes.map((figures) => {
        const { wall, ip, nft, wg, all } = startSamples(figures);
        const row = [wall, ip, nft, wg].map((samples) => spread(samples));
        return [nameOf(figures.size), ...row, ratio(wall, all)];
      }),
    ],
  };
}

function shareTable(meshes: readonly MeshFigures[]): Table {
  return {
    title: "Of that kg's own share, in ms",
    rows: [
      ["mesh", "own share", "CPU, all threads", "ip + nft", "own share ÷ (ip + nft)"],
      ...meshes.map((figures) => {
        const { own, cpu, ipAndNft } = startSamples(figures);
        const row = [own, cpu, ipAndNft].map((samples) => spread(samples));
        return [nameOf(figures.size), ...row, ratio(own, ipAndNft)];
      }),
    ],
  };
}

function changeTable(meshes: readonly MeshFigures[]): Table {
  return {
    title: "One more object, from its file to the kernel, in ms; and an event that changes nothing",
    rows: [
      ["mesh", "added", "changed", "removed", "check-in, ms of CPU", "netlink messages"],
      ...meshes.map(({ size, changes: { added, changed, removed }, checkIns }) => {
        const row = [added, changed, removed, checkIns.cpu].map((samples) => spread(samples));
        return [nameOf(size), ...row, spread(checkIns.messages, (count) => count.toFixed(0))];
      }),
    ],
  };
}

function quietTable(meshes: readonly QuietFigures[]): Table {
  return {
    title: "When nothing happens: ms of CPU in a minute, and memory after it in MB",
    rows: [
      ["mesh", "CPU", "resident", "anonymous", "most that was resident"],
      ...meshes.map(({ size, cpu, memory: { resident, anonymous, peak } }) => [
        nameOf(size),
        rounded(cpu),
        ...[resident, anonymous, peak].map(megabytes),
      ]),
    ],
  };
}

function scaleTable({ nodes, peers, starts, changes, checkIns }: ScaleFigures): Table {
  const rows = [
    ["from exec to converged, ms", spread(starts.map(({ wall }) => wall))],
    ["its own share of that, ms", spread(starts.map(({ own }) => own))],
    ["CPU of all threads till then, ms", spread(starts.map(({ cpu }) => cpu))],
    ["one Peer more, from the request to the kernel, ms", spread(changes.added)],
    ["that Peer changed, ms", spread(changes.changed)],
    ["that Peer removed, ms", spread(changes.removed)],
    ...checkIns ? checkInRows(checkIns) : [],
  ];
  return {
    title: `${nodes} nodes and ${peers} Peers on a real API server`,
    rows: [["", "kg"], ...rows],
  };
}

function checkInRows({ cpu, memory: { resident, anonymous, peak }, writes }: CheckInFigures) {
  return [
    ["a minute of check-ins, ms of CPU", rounded(cpu)],
    ["netlink messages written because of them", `${writes}`],
    ["resident after that minute, MB", megabytes(resident)],
    ["anonymous, MB", megabytes(anonymous)],
    ["most that was resident, MB", megabytes(peak)],
  ];
}

function programTable({ size, version, empty }: ProgramFigures): Table {
  return {
    title: "The program",
    rows: [
      ["size, MB", "kg version, ms", "an empty Deno program, ms", "difference of the medians, ms"],
      [
        megabytes(size),
        spread(version),
        spread(empty),
        rounded(median(version) - median(empty)),
      ],
    ],
  };
}

function ratio(a: Samples, b: Samples): string {
  return spread(combine(a, b, (x, y) => x / y), (value) => value.toFixed(2));
}

export function markdown(all: readonly Table[]): string {
  return all.map(({ title, rows: [head, ...rows] }) =>
    [
      `${title}:`,
      "",
      line(head!),
      line(head!.map((_, column) => column === 0 ? "---" : "--:")),
      ...rows.map(line),
    ].join("\n")
  ).join("\n\n");
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

const BEGIN = "<!-- begin of what `./denow task bench` writes -->";
const END = "<!-- end of what `./denow task bench` writes -->";

/** The document with what stands between the two marks replaced; undefined if they are not there. */
export function insertInto(document: string, text: string): string | undefined {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END, begin);
  if (begin < 0 || end < 0) return undefined;
  return `${document.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${document.slice(end)}`;
}
