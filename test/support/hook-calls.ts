import type { CommittedChange } from 'nestjs-sigra';

/** Hooks that keep what they are called with. */
export class HookCalls {
  readonly all: (readonly [hook: string, change: CommittedChange])[] = [];
  readonly hooks = {
    onTokenCreated: this.keep('onTokenCreated'),
    onTokenRevoked: this.keep('onTokenRevoked'),
    onReuseDetected: this.keep('onReuseDetected'),
    onLockedOut: this.keep('onLockedOut'),
  };

  /** The hooks that were called, with the targets, since the last time. */
  take() {
    return this.all.splice(0).map(([hook, { action, targetId }]) => [hook, action, targetId]);
  }

  private keep(hook: string) {
    return (change: CommittedChange) => {
      this.all.push([hook, change]);
    };
  }
}
