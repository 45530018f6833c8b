import { type CanActivate, createParamDecorator, type ExecutionContext, Injectable } from '@nestjs/common';
import { requestOf } from '../auth/call-request.js';
import { HttpCaller, type HttpRequest } from '../auth/http-exchange.js';
import { throwRefusal } from '../auth/http-refusal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { OwnerRef } from '../persistence/owner-directories.js';
import { OwnerGate } from '../tokens/owner.gate.js';

/** The owners that requests were admitted to manage. */
const managed = new WeakMap<HttpRequest, OwnerRef>();

/** Admits callers that can manage the owner in the path, behind `SigraAuthGuard`. */
@Injectable()
export class OwnerAccessGuard implements CanActivate {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly gate: OwnerGate,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = requestOf(context);
    const { ownerType, ownerId } = (request as unknown as { readonly params: Readonly<Record<string, string>> }).params;
    try {
      managed.set(request, await this.gate.admit(ownerType, ownerId, new HttpCaller(request)));
      return true;
    } catch (error) {
      throwRefusal(error, this.config, context);
    }
  }
}

/** Whose tokens a request manages: the owner that `OwnerAccessGuard` has admitted it to, or else the caller. */
export const TokenOwner = createParamDecorator((_data: unknown, context: ExecutionContext): OwnerRef => {
  const request = requestOf(context);
  const owner = managed.get(request) ?? request.sigra?.userId;
  if (owner === undefined) throw new TypeError('sigra: the request has no principal that is a user');
  return owner;
});
