//! The Burn devices that `--device` can name, and which of them this build has.

use std::fmt;
use std::panic;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

use super::executor::guarded;

/// A Burn device. All have a name in every build, so that a certificate can be read that was made with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `burn-ndarray`, on the processor
    Ndarray,
    /// `burn-flex`, on the processor
    Flex,
    /// CubeCL on CUDA, with the feature `cuda`
    Cuda,
    /// CubeCL on wgpu, with the feature `wgpu`
    Wgpu,
}

impl Backend {
    /// Those on the processor, which every build has.
    pub const PROCESSOR: [Backend; 2] = [Backend::Ndarray, Backend::Flex];

    const ALL: [Backend; 4] = [Backend::Ndarray, Backend::Flex, Backend::Cuda, Backend::Wgpu];

    /// Name on the command line, in options and in certificates.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Ndarray => "ndarray",
            Backend::Flex => "flex",
            Backend::Cuda => "cuda",
            Backend::Wgpu => "wgpu",
        }
    }

    /// Whether this build has it.
    pub fn is_built(self) -> bool {
        match self {
            Backend::Ndarray | Backend::Flex => true,
            Backend::Cuda => cfg!(feature = "cuda"),
            Backend::Wgpu => cfg!(feature = "wgpu"),
        }
    }

    /// The device behind it. Upstream deprecates `ndarray` in favour of `flex`; we hold both against
    /// each other.
    ///
    /// # Errors
    /// The build does not have it, the machine does not, or it does not compute in binary64.
    #[allow(deprecated)]
    pub fn device(self) -> Result<Device, String> {
        let device = match self {
            Backend::Ndarray => Device::ndarray(),
            Backend::Flex => Device::flex(),
            #[cfg(feature = "cuda")]
            Backend::Cuda => Device::cuda(burn::tensor::DeviceIndex::Default),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
            #[cfg(not(feature = "cuda"))]
            Backend::Cuda => return Err(self.absent()),
            #[cfg(not(feature = "wgpu"))]
            Backend::Wgpu => return Err(self.absent()),
        };
        let ask = || Ok(device.supports_dtype(FloatDType::F64));
        let binary64 = match self {
            Backend::Ndarray | Backend::Flex => guarded(ask),
            Backend::Cuda | Backend::Wgpu => opened(ask),
        };
        let binary64 = binary64.map_err(|error| format!("the device {self} cannot be opened: {error}"))?;
        if binary64 {
            Ok(device)
        } else {
            Err(format!(
                "the device {self} of this machine does not compute in binary64, and in binary32 rounding would count as \
                 violation"
            ))
        }
    }

    fn absent(self) -> String {
        let built: Vec<&str> = (Backend::ALL.into_iter())
            .filter(|backend| backend.is_built())
            .map(Backend::name)
            .collect();
        format!(
            "this build has the devices {}; {self} needs one with `--features {self}`",
            built.join(", ")
        )
    }
}

/// Asks a device, which opens it. Burn panics where there is none, often in a thread of its own and with what follows from it in ours: the
/// first message says what is wrong, and is the only one.
fn opened<T>(ask: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let first = Arc::new(OnceLock::new());
    let said = first.clone();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let message = information.payload_as_str().unwrap_or("no reason is given");
        // later ones follow from it
        let _ = said.set(message.to_owned());
    }));
    let answer = guarded(ask);
    panic::set_hook(before);
    answer.map_err(|error| first.get().cloned().unwrap_or(error))
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = String;

    /// A device that this build has, by its name.
    fn from_str(text: &str) -> Result<Backend, String> {
        let named = Backend::ALL.into_iter().find(|backend| backend.name() == text);
        match named {
            Some(backend) if backend.is_built() => Ok(backend),
            Some(backend) => Err(backend.absent()),
            None => {
                let names: Vec<String> = (Backend::ALL.into_iter())
                    .map(|backend| match backend.is_built() {
                        true => backend.to_string(),
                        false => format!("{backend} (not in this build)"),
                    })
                    .collect();
                Err(format!("the devices are {}", names.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_certificates_and_the_error_lists_the_build() {
        for backend in Backend::ALL {
            assert_eq!(serde_json::to_value(backend).unwrap(), backend.name());
            assert_eq!(backend.name().parse::<Backend>().is_ok(), backend.is_built());
        }
        for backend in Backend::PROCESSOR {
            assert!(backend.device().is_ok());
        }
        let error = "gpu".parse::<Backend>().unwrap_err();
        assert!(Backend::ALL.iter().all(|backend| error.contains(backend.name())));
        if !Backend::Cuda.is_built() {
            let error = "cuda".parse::<Backend>().unwrap_err();
            assert!(
                error.contains("ndarray, flex") && error.contains("--features cuda"),
                "{error}"
            );
        }
    }
}
