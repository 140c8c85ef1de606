//! What the program ends with.

pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; verify, diff: no difference
  1  verify, diff: there are differences
  2  the command line is wrong
  3  what was named is not there, or reading or writing failed (full disk, no permission,
     a registry that does not answer): another try may go well
  4  the image is broken, is none, or exceeds a ceiling that a --max- option raises
  5  the image or an option asks for what ext3, Linux or layerpress cannot do
  6  mke2fs, tune2fs, e2fsck or debugfs is missing, too old or failed
  7  the size given is too small for the image
  8  the result is not what was meant: a bug in layerpress
  129, 130, 131, 143  ended by SIGHUP, SIGINT, SIGQUIT, SIGTERM; nothing is left behind";
