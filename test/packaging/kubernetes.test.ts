import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { parseAllDocuments } from "yaml";

interface Manifest {
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
  spec?: {
    replicas: number;
    maxUnavailable?: number;
    selector: { matchLabels: Record<string, string> } & Record<string, string>;
    ports?: { targetPort: string }[];
    template: { metadata: { labels: Record<string, string> }; spec: Pod };
  };
}

interface Pod {
  terminationGracePeriodSeconds: number;
  securityContext: { runAsNonRoot: boolean; seccompProfile: { type: string } };
  containers: {
    command: string[];
    ports: { name: string; containerPort: number }[];
    env: { name: string; valueFrom?: { secretKeyRef?: { name: string } } }[];
    livenessProbe: { httpGet: { path: string; port: string } };
    readinessProbe: { httpGet: { path: string; port: string } };
    securityContext: {
      allowPrivilegeEscalation: boolean;
      readOnlyRootFilesystem: boolean;
      capabilities: { drop: string[] };
    };
  }[];
  volumes: { configMap: { name: string } }[];
}

const root = path.join(import.meta.dirname, "../..");
const folder = path.join(root, "infra/kubernetes");
const manifests = readdirSync(folder).flatMap((file) =>
  parseAllDocuments(readFileSync(path.join(folder, file), "utf8")).map((document) => {
    expect(document.errors, file).to.deep.equal([]);
    return document.toJS() as Manifest;
  }),
);
const ofKind = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind);

describe("the Kubernetes manifests", () => {
  it("have two or more replicas of each part, and a budget for disruptions that selects them", () => {
    const deployments = ofKind("Deployment");
    expect(deployments.map(({ metadata }) => metadata.name)).to.have.members([
      "sticky-proxy",
      "sticky-proxy-sweeper",
    ]);
    for (const { metadata, spec } of deployments) {
      expect(spec?.replicas, metadata.name).to.be.greaterThan(1);
      expect(spec?.template.metadata.labels).to.include(spec?.selector.matchLabels ?? {});
      const budget = ofKind("PodDisruptionBudget").find((one) => one.metadata.name === metadata.name);
      expect(budget?.spec?.selector.matchLabels).to.deep.equal(spec?.selector.matchLabels);
      expect(budget?.spec?.maxUnavailable).to.equal(1);
    }
  });

  it("run without rights, and start a program that exists", () => {
    for (const { spec, metadata } of ofKind("Deployment")) {
      const pod = spec?.template.spec;
      expect(pod?.securityContext).to.deep.include({
        runAsNonRoot: true,
        seccompProfile: { type: "RuntimeDefault" },
      });
      for (const container of pod?.containers ?? []) {
        expect(container.securityContext, metadata.name).to.deep.equal({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        expect(existsSync(path.join(root, container.command[1] ?? ""))).to.equal(true);
      }
    }
  });

  it("ask /livez for life and /readyz for readiness, on a port that the container has", () => {
    for (const { spec } of ofKind("Deployment")) {
      for (const { livenessProbe, readinessProbe, ports } of spec?.template.spec.containers ?? []) {
        expect(livenessProbe.httpGet).to.deep.equal({ path: "/livez", port: "ops" });
        expect(readinessProbe.httpGet).to.deep.equal({ path: "/readyz", port: "ops" });
        expect(ports.map(({ name }) => name)).to.include("ops");
      }
    }
  });

  it("expose the data plane only", () => {
    const [service, ...others] = ofKind("Service");
    expect(others).to.deep.equal([]);
    expect(service?.spec?.ports?.map(({ targetPort }) => targetPort)).to.deep.equal(["http"]);
  });

  it("refer to a configuration and a secret that are there, and the configuration is valid", () => {
    const named = (kind: string) => ofKind(kind).map(({ metadata }) => metadata.name);
    for (const { spec } of ofKind("Deployment")) {
      const pod = spec?.template.spec;
      for (const { configMap } of pod?.volumes ?? []) expect(named("ConfigMap")).to.include(configMap.name);
      for (const { valueFrom } of pod?.containers.flatMap(({ env }) => env) ?? []) {
        if (valueFrom?.secretKeyRef) expect(named("Secret")).to.include(valueFrom.secretKeyRef.name);
      }
    }
    const dir = mkdtempSync(path.join(os.tmpdir(), "sticky-kubernetes-"));
    const file = path.join(dir, "sticky.yaml");
    writeFileSync(file, ofKind("ConfigMap")[0]?.data?.["sticky.yaml"] ?? "");
    const cli = path.join(root, "services/cli/src/cli.ts");
    const check = spawnSync(process.execPath, [cli, "check-config", "--config", file], { encoding: "utf8" });
    rmSync(dir, { recursive: true });
    expect(check.status, check.stdout + check.stderr).to.equal(0);
  });
});
