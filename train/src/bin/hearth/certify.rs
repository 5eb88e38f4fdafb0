//! `hearth certify`.

use std::{
    io::{self, Write},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use clap::Args;
use hearth_train::{
    certify::{Certificate, certify, faulty_kernels},
    devices::{DeviceChoice, open},
};
use hearth_wgsl::Kernel;

/// Check that a device computes the right numbers: training steps of small models against plain operations
/// on the CPU.
#[derive(Args)]
pub struct CertifyCommand {
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Only compare, without trying settings that might repair a failure.
    #[arg(long)]
    no_repair: bool,
    /// Switch off a kernel of Hearth's, so that plain operations do its work; may be given many times.
    #[arg(long, value_name = "KERNEL", value_parser = kernel)]
    without: Vec<Kernel>,
}

/// What can be switched off from outside, in the order of what it costs.
const REPAIRS: [(&str, &[(&str, &str)]); 3] = [
    ("minimal autotune", &[("CUBECL_AUTOTUNE_LEVEL", "minimal"), ("CUBECL_AUTOTUNE_CACHE", "0")]),
    ("no fusion", &[("BURN_FUSION_MAX_EXPLORATIONS", "0")]),
    (
        "minimal autotune and no fusion",
        &[("CUBECL_AUTOTUNE_LEVEL", "minimal"), ("CUBECL_AUTOTUNE_CACHE", "0"), ("BURN_FUSION_MAX_EXPLORATIONS", "0")],
    ),
];

impl CertifyCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let mut out = io::stdout().lock();
        self.without.iter().for_each(|kernel| kernel.switch(false));
        let device = open(self.device)?;
        writeln!(out, "{}: training steps of three small models against plain operations on the CPU", device.name)?;
        if device.compiles_kernels {
            writeln!(out, "compiling kernels, which takes longer the first time")?;
        }
        let certificates = pollster::block_on(certify(&device.device))?;
        for certificate in &certificates {
            show(certificate, &mut out)?;
        }
        let passed = certificates.iter().all(Certificate::passed);
        writeln!(out, "{} in {:.1} s", if passed { "PASSED" } else { "FAILED" }, start.elapsed().as_secs_f64())?;
        if passed {
            return Ok(ExitCode::SUCCESS);
        }
        if !self.no_repair {
            self.try_repairs(&mut out)?;
        }
        Ok(ExitCode::FAILURE)
    }

    /// These settings are read once a process, so each is tried in a process of its own.
    fn try_repairs(&self, out: &mut impl Write) -> io::Result<()> {
        let faulty = faulty_kernels(|off| self.passes(off, &[]));
        if !faulty.is_empty() {
            let name = |kernel: &Kernel| format!("\"{}\"", kernel.name());
            let rest: Vec<String> = Kernel::ALL.iter().filter(|kernel| !faulty.contains(kernel)).map(name).collect();
            let faulty: Vec<String> = faulty.iter().map(name).collect();
            return writeln!(
                out,
                "it passes without the kernel {}: set kernels = [{}] for your runs, and report the device",
                faulty.join(", "),
                rest.join(", ")
            );
        }
        writeln!(out, "it still fails without Hearth's kernels")?;
        for (name, variables) in REPAIRS {
            if self.passes(&[], variables) {
                let settings: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let settings = settings.join(" ");
                return writeln!(out, "it passes with {name}: set {settings} for your runs, and report the device");
            }
            writeln!(out, "it still fails with {name}")?;
        }
        writeln!(out, "no setting repairs it: train with --device cpu, update the driver, and report the device")
    }

    /// Whether a process of its own passes with these kernels off and these variables set.
    fn passes(&self, off: &[Kernel], variables: &[(&str, &str)]) -> bool {
        let Ok(program) = std::env::current_exe() else { return false };
        let mut command = Command::new(program);
        command.args(["certify", "--no-repair", "--device", &self.device.to_string()]);
        for kernel in off.iter().chain(&self.without) {
            command.args(["--without", kernel.name()]);
        }
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

fn kernel(name: &str) -> Result<Kernel, String> {
    let known = Kernel::ALL.map(Kernel::name).join(", ");
    Kernel::ALL.into_iter().find(|kernel| kernel.name() == name).ok_or(format!("give one of {known}"))
}

fn show(certificate: &Certificate, out: &mut impl Write) -> io::Result<()> {
    let (name, error) = certificate.worst_gradient();
    writeln!(
        out,
        "{:6} {}  losses differ by at most {:.1e}, {} gradients by at most {:.1e} ({name})",
        certificate.model,
        if certificate.passed() { "ok  " } else { "FAIL" },
        certificate.loss_error(),
        certificate.gradients.len(),
        error,
    )?;
    if !certificate.passed() {
        for (name, error) in certificate.wrong_gradients() {
            writeln!(out, "       gradient of {name} differs by {error:.1e}")?;
        }
    }
    Ok(())
}
