//! Paths that try to lead out of the worktree.

mod cleaning;
mod escapes;
mod file_names;
mod generated;
mod outside;
mod special_files;
mod swapped_links;
