import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type Observable, throwError } from 'rxjs';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { bodyForRpc, forGraphql, logOutage, MessageRefusal, refusalOf } from './call-refusal.js';
import { HttpRefusal, sendRefusal, toHttpRefusal } from './http-refusal.js';

type Caught = SigraError | HttpRefusal | MessageRefusal;

/**
 * Answers the refusals of services and guards: status, `WWW-Authenticate` or `Retry-After`, and a JSON body of `statusCode`,
 * `error` and `message`. `SigraModule` registers it for the whole application. Nest applies no global filter to gateways,
 * and in a hybrid application none to message handlers: name it there with `@UseFilters()`.
 */
@Catch(SigraError, HttpRefusal, MessageRefusal)
@Injectable()
export class SigraExceptionFilter implements ExceptionFilter<Caught> {
  private readonly logger = new Logger(SigraExceptionFilter.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** @returns for a message of a microservice, an observable that fails with the body */
  catch(exception: Caught, host: ArgumentsHost): Observable<never> | undefined {
    const refusal = this.refusalOf(exception);
    switch (host.getType<string>()) {
      case 'http':
        sendRefusal(refusal, host, this.adapterHost, this.logger);
        return undefined;
      case 'graphql':
        throw forGraphql(refusal);
      case 'rpc':
        if (exception instanceof SigraError) logOutage(refusal);
        return throwError(() => bodyForRpc(refusal, host));
      case 'ws':
        if (exception instanceof SigraError) logOutage(refusal);
        sendToSocket(refusal, host);
        return undefined;
      // Other contexts answer errors in their own way.
      default:
        throw exception as Error;
    }
  }

  private refusalOf(exception: Caught): HttpRefusal {
    // Its guard has logged it.
    if (exception instanceof MessageRefusal) return refusalOf(exception);
    return exception instanceof HttpRefusal ? exception : toHttpRefusal(exception, this.config);
  }
}

/** Sends the event `exception`, as Nest does for a `WsException`. */
function sendToSocket(refusal: HttpRefusal, host: ArgumentsHost): void {
  const client = host.switchToWs().getClient<{
    readonly readyState?: unknown;
    send?(text: string): void;
    emit(event: string, body: unknown): void;
  }>();
  const body = refusal.getResponse();
  // The emit() of a client of ws does not send anything.
  if (typeof client.readyState === 'number') client.send?.(JSON.stringify({ event: 'exception', data: body }));
  else client.emit('exception', body);
}
