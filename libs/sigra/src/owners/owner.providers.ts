import { CredentialRevoker } from './credential.revoker.js';
import { CredentialService } from './credential.service.js';
import { CredentialSweeper } from './credential.sweeper.js';
import { EpochRevoker } from './epoch.revoker.js';
import { ExistingTokenLimiter } from './existing-token.limiter.js';
import { LineageRevoker } from './lineage.revoker.js';
import { MintingGate } from './minting.gate.js';
import { ScopeCeiling } from './scope.ceiling.js';

/** The providers of everything that concerns all credentials of an owner. */
export const ownerProviders = [
  CredentialRevoker,
  CredentialService,
  CredentialSweeper,
  EpochRevoker,
  ExistingTokenLimiter,
  LineageRevoker,
  MintingGate,
  ScopeCeiling,
];
