//! Access lists (EIP-2930) and authorizations (EIP-7702).

use alloc::vec::Vec;

use alloy_primitives::{B256, U256};

use super::{
    Arguments,
    calldata::{Key, Method},
    parties::Recipient,
    words::{Place, Slot},
};
use crate::{
    model::{Site, context},
    range::{Coder, Fault},
    transaction::{Access, Authorization},
};

/// Content of an entry of an access list, of a key in it, and of an authorization, see [`Coder::spend`].
const ENTRY_BYTES: usize = 24;
const KEY_BYTES: usize = 33;
const AUTHORIZATION_BYTES: usize = 90;

impl<C: Coder> Arguments<'_, '_, C> {
    /// The access list of a call of `method`, a context.
    pub(super) fn access_list(&mut self, method: u32, list: &mut Vec<Access>) -> Result<(), Fault> {
        if self.scribe.flag(Site::NoAccessList, [method, 0, 0], list.is_empty()) {
            return Ok(());
        }
        let length = self.scribe.length(Site::AccessListLength, [method, 0, 0], list.len())?;
        self.grow(list, length, ENTRY_BYTES)?;
        for (number, access) in (0..).zip(list) {
            let place = context(method, number);
            let id = self.addresses.code(self.scribe, place, &mut access.address)?;
            let recipient = Recipient::Address(id);
            let contexts = [place, recipient.number(), 1];
            let keys = self.scribe.length(Site::AccessListLength, contexts, access.keys.len())?;
            self.grow(&mut access.keys, keys, KEY_BYTES)?;
            let storage = self.calls.id(Key { contract: Some(recipient), method: Method::StorageKeys });
            for (position, word) in access.keys.iter_mut().enumerate() {
                self.word(storage, position, word)?;
            }
        }
        Ok(())
    }

    /// The authorizations of a transaction.
    pub(super) fn authorizations(&mut self, list: &mut Vec<Authorization>) -> Result<(), Fault> {
        let length = self.scribe.length(Site::Authorizations, [0; 3], list.len())?;
        self.grow(list, length, AUTHORIZATION_BYTES)?;
        let mut slot = Slot::default();
        let place = Place { special: 0, general: 0 };
        for authorization in list {
            let mut chain_id = B256::from(authorization.chain_id);
            self.words.code(self.scribe, self.addresses, self.own, (&mut slot, place), &mut chain_id)?;
            authorization.chain_id = U256::from_be_bytes(chain_id.0);
            let Authorization { address, nonce, signature, .. } = authorization;
            self.addresses.code(self.scribe, context(0xa0, 0), address)?;
            *nonce = self.scribe.number_64(Site::Authorizations, [1, 1, 1], *nonce)?;
            self.scribe.coder.raw(signature.0.as_mut_slice())?;
        }
        Ok(())
    }

    /// A reader's list takes its length.
    fn grow<T: Default + Clone>(
        &mut self,
        list: &mut Vec<T>,
        length: usize,
        each: usize,
    ) -> Result<(), Fault> {
        self.scribe.coder.spend(length.checked_mul(each).ok_or(Fault::TooLong)?)?;
        list.resize(length, T::default());
        Ok(())
    }
}
