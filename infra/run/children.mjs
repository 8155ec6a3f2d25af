// Child processes of one run, and how they end.
//
// Children stay in this process's group, so a terminal's Ctrl-C and a `kill` of the group reach them too.
// A signal that reaches only this process is passed on to them.
import { spawn } from "node:child_process";
import process from "node:process";
import { Trouble } from "./project.mjs";

const running = new Set();

/**
 * Starts a child.
 * @returns {{ child: import("node:child_process").ChildProcess, exited: Promise<{ code: number | null, signal: string | null }> }}
 * `exited` never rejects: a file that cannot be started ends with code 127.
 */
export function startChild(file, args, options = {}) {
  const child = spawn(file, args, { stdio: "inherit", ...options });
  running.add(child);
  const exited = new Promise((resolve) => {
    child.once("error", (error) => {
      running.delete(child);
      if (child.pid === undefined) resolve({ code: 127, signal: null, error });
    });
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  return { child, exited };
}

/** Runs a file to its end and returns its exit code (128 + n after signal n, as shells do). */
export async function run(file, args, options = {}) {
  return exitCode(await startChild(file, args, options).exited);
}

/** Runs a file and returns { code, stdout }; stderr is dropped. Gives up after `timeoutMs`. */
export async function capture(file, args, { timeoutMs = 20_000, ...options } = {}) {
  const started = startChild(file, args, { stdio: ["ignore", "pipe", "ignore"], ...options });
  let stdout = "";
  started.child.stdout?.setEncoding("utf8").on("data", (text) => (stdout += text));
  const timer = setTimeout(() => started.child.kill("SIGKILL"), timeoutMs);
  const end = await started.exited;
  clearTimeout(timer);
  return { code: exitCode(end), stdout };
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** One number for both ways a child can end. */
export function exitCode({ code, signal }) {
  return code ?? 128 + (signalNumbers[signal] ?? 0);
}

/** Asks a started child to stop, unless it has ended, and waits; past `graceMs` it is killed. */
export async function stopChild({ child, exited }, { signal = "SIGTERM", graceMs = 30_000 } = {}) {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  const end = await exited;
  clearTimeout(timer);
  return end;
}

let interrupted = null;
let answer = (signal) => {
  for (const child of running) child.kill(signal);
};

/**
 * From now on SIGINT, SIGTERM and SIGHUP are passed on to the children at work. A terminal or npm delivers one Ctrl-C
 * several times, so only a repeat 2 s after the first means "stop hard".
 */
export function listenForSignals() {
  let first = 0;
  const listener = (signal) => {
    if (interrupted === null) {
      interrupted = signal;
      first = performance.now();
      answer(signal);
    } else if (performance.now() - first > 2000) {
      for (const child of running) child.kill("SIGKILL");
      process.exit(1);
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, listener);
}

/** Replaces what the first signal does: for a run whose children must end in an order. */
export function answerSignals(stop) {
  answer = stop;
}

/** Throws when a signal came: a set-up step was ended by it, the next one must not begin. */
export function checkInterrupted() {
  if (interrupted)
    throw new Trouble(`Stopped by ${interrupted}.`, exitCode({ code: null, signal: interrupted }));
}
