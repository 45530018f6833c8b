import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  ServiceUnavailableException,
} from '@nestjs/common';
import { catchError, type Observable, throwError } from 'rxjs';

/** SQLSTATE classes of a server that cannot serve at present: connection, resources, operator intervention. */
const UNAVAILABLE_STATE = /^(?:08|53|57P)/;
const UNREACHABLE_CODE = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN)/;
const UNREACHABLE_MESSAGE = /connection terminated|timeout exceeded when trying to connect/i;

/** Answers 503 if one of the demo's own queries cannot reach the database, as Sigra does for its queries. */
@Injectable()
export class UnavailableInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(catchError((error: unknown) => throwError(() => translate(error))));
  }
}

function translate(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const unavailable = UNAVAILABLE_STATE.test(code) || UNREACHABLE_CODE.test(code) || UNREACHABLE_MESSAGE.test(message);
  return unavailable ? new ServiceUnavailableException('The database did not answer.', { cause: error }) : error;
}
