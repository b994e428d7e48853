//! What files may say: addresses, images, verdicts.
