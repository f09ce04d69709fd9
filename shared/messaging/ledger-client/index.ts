export {
  createLedgerClient,
  type CommandToSend,
  type LedgerClient,
  type SendOptions,
} from './ledger-client.ts';
