//! What a decoding step is made of on the CPU: one position, as slices of the host's memory.
//!
//! A model that writes text computes one row at a time. As tensors, each operation of it costs more to be sent off than to be
//! done; here it is a call. The numbers are those of the operations of the same name, within rounding.
//!
//! ```
//! use hearth_wgsl::decode::{Product, multiply};
//!
//! // [1, 2] by the weight [[3, 4, 5], [6, 7, 8]].
//! let mut y = [0.0; 3];
//! multiply(&[1.0, 2.0], [Product { weight: &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0], bias: None, y: &mut y }]);
//! assert_eq!(y, [15.0, 18.0, 21.0]);
//! ```

mod cache;
mod product;
mod rows;
mod single;
#[cfg(test)]
mod tests;
mod values;

pub use cache::{CacheOptions, KeyValueCache};
pub use product::{Product, SHARED, multiply, multiply_rows};
pub use single::{gelu_in_place, norm_row, relu_squared_in_place, rotate_in_place, softcap_in_place, swiglu_in_place};
pub use values::HostValues;
