/** Whether the cloud takes what this web process stores: by the last image or report that it was to take. */
export interface Health {
  /** An image or a report was stored. */
  stored(): void;
  /** One was not, after all tries. */
  notStored(why: string): void;
  /** Why new images would be refused; undefined while all is well. */
  trouble(): string | undefined;
}

export const createHealth = (): Health => {
  let trouble: string | undefined;
  return {
    stored: () => {
      trouble = undefined;
    },
    notStored: (why) => {
      trouble = why;
    },
    trouble: () => trouble,
  };
};
