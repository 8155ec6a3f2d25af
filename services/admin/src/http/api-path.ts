/** Where the admin API stands, below the base path. */
export const apiPath = "/api/v1";
