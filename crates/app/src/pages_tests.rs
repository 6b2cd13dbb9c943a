//! Every code has its page and every page its code.
