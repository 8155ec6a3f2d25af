/** The work behind each example: it may take hours, and it reports to any replica of the gateway. */

import { isProblem, type Execution, type Receiver } from "@sticky-proxy/client/receiver";

export interface ReportOrder {
  readonly month: number;
}

export async function runReportJob(
  receiver: Receiver,
  execution: Execution,
  order: ReportOrder,
): Promise<void> {
  try {
    const { cancelRequested } = await receiver.heartbeat(execution, {
      progress: { percent: 50, message: "rendering" },
    });
    if (cancelRequested) return;
    if (order.month < 1 || order.month > 12) {
      await receiver.fail(execution, { title: "No such month", status: 422, executed: "no" });
      return;
    }
    const url = `/reports/${execution.idempotencyKey}.pdf`;
    await receiver.complete(execution, { status: 201, headers: { Location: url }, json: { url } });
  } catch (error) {
    // The process was cancelled, timed out, or was run again: this result is not needed.
    if (!isProblem(error, "execution-stale")) throw error;
  }
}
