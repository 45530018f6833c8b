import { context, type Span, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { SigraError } from '../../common/sigra-error.js';
import { tracedChannels } from '../../telemetry/channels.js';
import { errorType, observeOperations } from './operations.js';

/** Makes a span of each operation that runs within another span, such as that of a request. @returns unsubscribes */
export function subscribeTracer(tracer: Tracer): () => void {
  return observeOperations<Span>(tracedChannels, {
    started: (operation) => {
      const parent = context.active();
      // Background work would make traces of one span.
      if (!trace.getSpan(parent)) return undefined;
      return tracer.startSpan(`sigra ${operation}`, { attributes: { 'sigra.operation': operation } }, parent);
    },
    ended: (span, _operation, error) => {
      span.setAttributes(errorType(error));
      // A refused credential is a result. Messages of other errors can contain data.
      if (error !== undefined && !isRefusal(error)) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  });
}

function isRefusal(error: unknown): boolean {
  return error instanceof SigraError && error.getStatus() < 500;
}
