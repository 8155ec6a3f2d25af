import type Router from "@koa/router";
import { isProblemSlug, problemTypePath } from "@sticky-proxy/protocol";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import { openApiDocument } from "./openapi-document.ts";
import { documentRoutes } from "./documents.ts";
import { executionRoutes } from "./executions.ts";
import { openApiRoute } from "./openapi.ts";
import { processRoutes } from "./processes.ts";

interface Operation {
  readonly operationId: string;
  readonly requestBody?: object;
  readonly security?: readonly object[];
  readonly parameters?: { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Record<string, { readonly description: string }>;
}

const document = JSON.parse(JSON.stringify(openApiDocument())) as {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

describe("the OpenAPI document", () => {
  it("describes every route of the gateway's own, and no other", () => {
    const nothing = async (): Promise<void> => undefined;
    // The factories only register; what they would call is never reached.
    const routers: Router[] = [
      processRoutes({} as never),
      executionRoutes({} as never),
      documentRoutes(nothing),
      openApiRoute(nothing),
    ];
    const routed = routers
      .flatMap(({ stack }) => stack)
      .flatMap(({ path, methods }) =>
        methods.filter((method) => method !== "HEAD").map((method) => ({ method, path })),
      )
      .flatMap(({ method, path }) =>
        String(path).includes(":action")
          ? ["complete", "fail", "heartbeat"].map(
              (action) => `${method} ${String(path).replace(":action", action)}`,
            )
          : [`${method} ${String(path)}`],
      )
      .map((route) =>
        route
          .replaceAll("\\:", "%")
          .replaceAll(/:([a-z]+)/g, "{$1}")
          .replaceAll("%", ":"),
      );
    expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`)).to.have.members(routed);
  });

  it("is OpenAPI 3.1: a title, a version, operations with an id of their own and answers with a description", () => {
    expect(document.openapi).to.match(/^3\.1\./);
    expect(document.info).to.include.keys("title", "version");
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).to.equal(ids.length);
    for (const { operation } of operations) {
      const answers = Object.entries(operation.responses);
      expect(answers, operation.operationId).to.not.be.empty;
      for (const [status, { description }] of answers) {
        expect(status).to.match(/^(?:[1-5][0-9]{2}|[1-5]XX|default)$/);
        expect(description, `${operation.operationId} ${status}`).to.be.a("string").and.not.be.empty;
      }
    }
  });

  it("declares the parameters of each path", () => {
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect(
        declared.map(({ name }) => name),
        path,
      ).to.deep.equal(inPath);
      for (const { required } of declared) expect(required, path).to.equal(true);
    }
  });

  it("refers only to what it has", () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      ([, pointer = ""]) => pointer,
    );
    expect(refs).to.not.be.empty;
    for (const pointer of refs) {
      let at: unknown = document;
      for (const token of pointer.split("/")) at = (at as Record<string, unknown> | undefined)?.[token];
      expect(at, pointer).to.be.an("object");
    }
  });

  it("has an example for each schema, which fits it", () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, "document");
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      const validate = ajv.compile({ $ref: `document#/components/schemas/${name}` });
      const [example] = schema["examples"] as unknown[];
      expect(validate(example), `${name}: ${ajv.errorsText(validate.errors)}`).to.equal(true);
    }
  });

  it("says who may call: everybody the documents, the owner what changes a process, the service what reports", () => {
    const schemesOf = (id: string): string[] =>
      operations
        .find(({ operation }) => operation.operationId === id)!
        .operation.security!.flatMap((scheme) => Object.keys(scheme));
    for (const id of ["getOpenApi", "listProblemTypes", "getProblemType"])
      expect(schemesOf(id), id).to.be.empty;
    for (const id of ["cancelProcess", "forgetProcess", "rerunProcess"])
      expect(schemesOf(id), id).to.have.members(["owner", "caller"]);
    for (const id of ["completeExecution", "failExecution", "reportProgress"])
      expect(schemesOf(id), id).to.have.members(["execution", "signature"]);
  });

  it("has 400 and 413 wherever there is a body to refuse", () => {
    for (const { operation } of operations.filter(
      ({ operation: { requestBody } }) => requestBody !== undefined,
    ))
      expect(operation.responses, operation.operationId).to.include.keys("400", "413");
  });

  it("has schemas that a validator takes, and problem types that exist", () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, "document");
    for (const name of Object.keys(document.components.schemas))
      expect(ajv.compile({ $ref: `document#/components/schemas/${name}` }), name).to.be.a("function");
    const problem = document.components.schemas["Problem"] as {
      properties: { type: { enum: string[] } };
    };
    for (const uri of problem.properties.type.enum)
      expect(isProblemSlug(uri.slice(problemTypePath.length)), uri).to.equal(true);
  });
});
