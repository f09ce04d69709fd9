/** What a source needs to do its work. */
export interface SourceContext {
  /** What we are doing, for people to read. */
  readonly report: (line: string) => void;
  /** An empty folder for whatever it needs; removed afterwards. */
  readonly workDir: string;
  /** Where the release archives are. */
  readonly archiveBaseUrl: string;
}

/** One place where an executable may come from; resolves with its path in the work folder. */
export type FetchFromSource = (context: SourceContext) => Promise<string>;

/** Why a source had nothing, for the list of the ways to get it; never a reason to stop looking. */
export class SourceUnavailable extends Error {
  override readonly name = 'SourceUnavailable';
}
