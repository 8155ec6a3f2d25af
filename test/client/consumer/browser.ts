// Type-checked with a browser's types and without Node's.
import { createClient, ProblemError } from "@sticky-proxy/client";

export async function result(baseUrl: string, id: string): Promise<string> {
  try {
    const response: Response = await createClient({ baseUrl, fetch }).result(id);
    return await response.text();
  } catch (error) {
    return error instanceof ProblemError ? `${error.slug} ${error.executed}` : String(error);
  }
}
